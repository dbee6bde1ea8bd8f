// A failure in words: what happened, what to do, and whether Blender may have run the command, which is what
// an assistant has to know before it tries again.
import { type Delivered, PoolError } from 'blender-pool'

const RAN: Record<Delivered, string> = {
  no: 'Blender was not sent anything: to call the tool again repeats nothing.',
  maybe:
    'Blender may have run it, in part or as a whole, or may still be running it: look at the scene with get_scene_info before you call the tool again.',
  yes: 'Blender answered it: what it did before it failed is done.',
}

const RAN_READ_ONLY = { ...RAN, maybe: 'It changes nothing: call it again.' }

/** @param isReadOnly whether the tool changes nothing, so that it may have run any number of times */
export function wordsOf(error: unknown, isReadOnly = false): string {
  if (!(error instanceof PoolError)) return error instanceof Error ? error.message : String(error)
  const { code, message, advice, delivered, details } = error
  const ran = `delivered: ${delivered}. ${(isReadOnly ? RAN_READ_ONLY : RAN)[delivered]}`
  if (code !== 'ERR_POOL_COMMAND_FAILED') {
    const what = `${message} [${code}]`
    // The pool's advice would have the scene looked at first.
    return isReadOnly && delivered === 'maybe' ? `${what}\n${ran}` : `${what}\n${advice}\n${ran}`
  }
  // Blender's own error; with some add-ons the code's output and its traceback stand beside it.
  const { message: said, stdout, traceback } = details?.reply ?? {}
  return [
    `Blender reports: ${said ?? message}`,
    traceback?.trimEnd(),
    stdout && `It printed:\n${stdout.trimEnd()}`,
    ran,
  ]
    .filter(Boolean)
    .join('\n')
}
