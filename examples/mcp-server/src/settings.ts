// What the host's configuration says, which is the environment. What a pool can check itself is left to it.
import { type EndpointOptions, PoolError, type PoolOptions } from 'blender-pool'

/** Hosts give a call up after 4 minutes; some, and the SDK's own client, after one: those cancel it. */
const TIMEOUT_MS = { least: 1_000, default: 180_000, most: 230_000 }

export interface Settings {
  pool: PoolOptions
  /** One deadline over waiting, connecting and Blender's answer. */
  timeoutMs: number
}

export function settingsFrom(env: NodeJS.ProcessEnv): Settings {
  const { BLENDER_ENDPOINTS, BLENDER_DIALECT, BLENDER_ALLOW_REMOTE, BLENDER_TIMEOUT_MS } = env
  const pool: PoolOptions = {
    name: 'blender',
    // Blender runs one command at a time. What waits in the pool instead of in Blender can still be cancelled.
    maxInFlightPerEndpoint: 1,
    allowRemote: BLENDER_ALLOW_REMOTE === '1',
  }
  // Without them, the pool's own defaults: BLENDER_HOST and BLENDER_PORT, else localhost:9876.
  if (BLENDER_ENDPOINTS) pool.endpoints = BLENDER_ENDPOINTS.split(',').map(endpointFrom)
  if (BLENDER_DIALECT) pool.dialect = BLENDER_DIALECT as NonNullable<PoolOptions['dialect']>
  return { pool, timeoutMs: timeoutFrom(BLENDER_TIMEOUT_MS) }
}

/** Why it does not start; an option that the pool refuses has the name of its variable here. */
export function refusalOf(error: unknown): string {
  if (!(error instanceof PoolError)) return String(error)
  const { message, code, advice } = error
  const named = message
    .replace(/^endpoints/, 'BLENDER_ENDPOINTS')
    .replace(/^dialect/, 'BLENDER_DIALECT')
  return `${named} [${code}] ${advice.replace('allowRemote: true', 'BLENDER_ALLOW_REMOTE=1')}`
}

/** `desktop=127.0.0.1:9876`, or the address alone, which is its name then. */
function endpointFrom(text: string): EndpointOptions {
  const [first = '', ...rest] = text.trim().split('=')
  return rest.length > 0 ? { name: first, address: rest.join('=') } : { address: first }
}

function timeoutFrom(text: string | undefined): number {
  if (!text) return TIMEOUT_MS.default
  const value = Number(text)
  if (value >= TIMEOUT_MS.least && value <= TIMEOUT_MS.most) return Math.round(value)
  const range = `${TIMEOUT_MS.least} to ${TIMEOUT_MS.most}`
  throw new RangeError(`BLENDER_TIMEOUT_MS must be a number from ${range}, not '${text}'.`)
}
