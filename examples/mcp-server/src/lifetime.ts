// How the server ends: its input ends or breaks, the host stops reading, SIGTERM, or Ctrl-C. What runs may
// finish, within a limit, and is answered; then the process ends by itself, so that no answer is cut short.
import type { ConnectionPool } from 'blender-pool'
import {
  type HealthReporter,
  installSignalHandlers,
  registerPool,
  shutdown,
} from 'blender-pool/health'
import { log } from './log.js'

/** Hosts send SIGTERM 2 s after they have closed the input, and SIGKILL 2 s later. */
const FINISH_MS = 1_500

export function endInOrder(pool: ConnectionPool, reporters: HealthReporter[]): void {
  registerPool(pool, { timeoutMs: FINISH_MS, reporters })
  shutdown.on('finished', ({ reason, ok, durationMs }) => {
    log(`ended (${reason}) within ${Math.round(durationMs)} ms`)
    if (!ok) process.exitCode = 1
    // All that still holds the process. Closing the MCP server instead would drop answers on their way out.
    process.stdin.destroy()
  })

  const end = (reason: string) => () => void shutdown.run(reason)
  process.stdin.once('end', end('input ended')).once('close', end('input closed'))
  // Without a listener, a host that is gone would end the process with an exception.
  process.stdout.on('error', end('output closed'))
  installSignalHandlers({ exit: false })
}
