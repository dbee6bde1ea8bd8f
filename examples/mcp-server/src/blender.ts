// The Blenders behind the pool: Python goes in, what it printed or one JSON value comes out. `execute_code` is
// all that is asked of the add-on, which the dialects `blender-mcp`, `worker` and `blender-lab` have.
import { readFileSync } from 'node:fs'
import { ConnectionPool, type Reply } from 'blender-pool'
import type { Settings } from './settings.js'

/** Before the line that is the answer: an add-on may mix lines of its own into the output. */
const MARK = '=> '

export class Blender {
  readonly pool: ConnectionPool
  /** Of the Blenders there are, as in the settings. */
  readonly names: string[]
  readonly #timeoutMs: number

  /** Checks the settings and connects to nothing: a host must not wait for a Blender to start. */
  constructor({ pool, timeoutMs }: Settings) {
    this.pool = new ConnectionPool(pool)
    this.names = this.pool.endpoints().map(({ name }) => name)
    this.#timeoutMs = timeoutMs
  }

  /**
   * Runs Python and gives what it printed. Rejects with a `PoolError`, for Blender's own errors as well, or
   * with the signal's reason.
   * @param name which Blender; a scene is state, so without it always the same one: the first
   */
  async run(code: string, name = this.names[0], signal?: AbortSignal): Promise<string> {
    const command = { type: 'execute_code', params: { code } }
    const timeoutMs = this.#timeoutMs
    const options = { endpoint: name, signal, timeoutMs, rejectOnError: true }
    return printed(await this.pool.execute(command, options))
  }

  /** Runs a file of `python/`, which reads `args` and sets `answer`, and gives that answer. */
  async ask(file: string, args: object, name?: string, signal?: AbortSignal): Promise<unknown> {
    const source = readFileSync(new URL(`../python/${file}`, import.meta.url), 'utf8')
    const code = [
      'import json',
      // JSON within JSON: a string literal that Python reads as JavaScript does.
      `args = json.loads(${JSON.stringify(JSON.stringify(args))})`,
      source,
      `print(${JSON.stringify(`\n${MARK}`)} + json.dumps(answer))`,
    ].join('\n')
    const output = await this.run(code, name, signal)
    const line = output.split('\n').findLast((text) => text.startsWith(MARK))
    if (line === undefined) throw new Error(`Blender ran ${file} and printed no answer.`)
    return JSON.parse(line.slice(MARK.length))
  }
}

/** Each add-on keeps the output somewhere else. */
function printed({ stdout, result }: Reply): string {
  const output = stdout ?? result?.stdout ?? result?.result
  return typeof output === 'string' ? output : ''
}
