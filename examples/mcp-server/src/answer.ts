// What a tool answers with, be it a value, a text or a failure, and a sign of life until then.
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import type {
  CallToolResult,
  ServerNotification,
  ServerRequest,
} from '@modelcontextprotocol/sdk/types.js'
import { wordsOf } from './failure.js'

export type Request = RequestHandlerExtra<ServerRequest, ServerNotification>

/** Hosts refuse answers that are too long, or lose their thread over them. */
const MAX_CHARACTERS = 40_000
const PROGRESS_MS = 1_000

/** Thrown errors would lose all but their message: a tool that fails says so in its answer. */
export async function answer(
  request: Request,
  work: () => Promise<CallToolResult>,
  isReadOnly = false,
): Promise<CallToolResult> {
  const stop = reportProgress(request)
  try {
    return await work()
  } catch (error) {
    return {
      isError: true,
      content: [{ type: 'text', text: shortened(wordsOf(error, isReadOnly)) }],
    }
  } finally {
    stop()
  }
}

/** The same of a tool that changes nothing: whatever became of a call, it can be made again. */
export function answerReadOnly(request: Request, work: () => Promise<CallToolResult>) {
  return answer(request, work, true)
}

/** Some hosts give up after a minute, unless they hear that work is under way. */
function reportProgress({ _meta, sendNotification }: Request): () => void {
  const progressToken = _meta?.progressToken
  if (progressToken === undefined) return () => {}
  let progress = 0
  const timer = setInterval(() => {
    progress += PROGRESS_MS / 1_000
    const message = `Blender has been at it for ${progress} s`
    const params = { progressToken, progress, message }
    sendNotification({ method: 'notifications/progress', params }).catch(() => {})
  }, PROGRESS_MS)
  return () => clearInterval(timer)
}

/** As data, and as text for hosts that do not read data. */
export function structured(value: Record<string, unknown>): CallToolResult {
  return {
    structuredContent: value,
    content: [{ type: 'text', text: JSON.stringify(value) }],
  }
}

export function text(said: string): CallToolResult {
  return { content: [{ type: 'text', text: shortened(said) }] }
}

function shortened(said: string): string {
  const left = said.length - MAX_CHARACTERS
  if (left <= 0) return said
  return `${said.slice(0, MAX_CHARACTERS)}\n[${left} more characters; print less, or write to a file]`
}
