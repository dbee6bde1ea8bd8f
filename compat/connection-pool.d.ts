/**
 * `src/utils/connection-pool.ts` of the Blender MCP servers, over the pool of this package. What differs
 * stands in `connection-pool.js`; how to go further, in `docs/migrating.md`.
 *
 * Times are milliseconds; points in time are milliseconds since the epoch.
 */
import type { Delivered, Json, PoolError, PoolErrorCode } from '../index.js'

/** Every setting may be left out. No value is refused: one that cannot be meant becomes the nearest that can. */
export interface ConnectionPoolConfig {
  /** Connections kept open. Default: 1. */
  minConnections: number
  /** Default: 5. At most 1 024. */
  maxConnections: number
  /** How long a call waits for a place among `maxConnections`. Default: 30 000. */
  connectionTimeout: number
  /** A connection that nobody used for so long is closed, never below `minConnections`. Default: 60 000. */
  idleTimeout: number
  /** A connection is closed after so many uses. Default: 1 000. */
  maxRequestsPerConnection: number
  /** How often idle connections are pinged; 0: never. Default: 30 000. */
  healthCheckInterval: number
  /** Taken, and of no effect: there is no lock. Default: 30 000. */
  mutexTimeout: number
}

/** What Blender answered. An error of its own resolves too. */
export interface BlenderSocketResponse {
  status: 'success' | 'error'
  result?: Json
  message?: string
  /** `status === 'success'`; not enumerable. */
  readonly success: boolean
}

/** What the rejections of this module carry beside the message that the old files had. */
export interface ExplainedError extends Error {
  code: PoolErrorCode
  /** What to do next, in a sentence. */
  advice: string
  /** May the command have run? */
  delivered: Delivered
  /** Whether the same call may succeed later, and cannot run twice. */
  retryable: boolean
  endpoint?: string
  cause: PoolError
}

/** A connection that somebody holds, or held. */
export interface PooledConnection {
  /** `conn-1`, `conn-2` and so on. */
  id: string
  inUse: boolean
  createdAt: number
  lastUsedAt: number
  /** How often it was used and given back. */
  requestCount: number
}

export class ConnectionPool {
  /** Reads `BLENDER_HOST`, `BLENDER_PORT` and `SOCKET_TIMEOUT` now. */
  constructor(config?: { [Name in keyof ConnectionPoolConfig]?: number | undefined })

  /**
   * Takes a connection for one holder. Rejects with an `ExplainedError`: `Connection pool timeout - no
   * connections available`, `Connection pool shutting down`, `Failed to create connection: …`.
   */
  acquire(): Promise<PooledConnection>

  /** Gives it back. One that nobody holds is a process warning. */
  release(connection: PooledConnection): Promise<void>

  /**
   * Runs one command. Rejects with an `ExplainedError`, as `acquire` does, and with `Response timeout`,
   * `Connection closed`, `Invalid response structure from Blender. …`.
   */
  execute(type: string, params?: Record<string, unknown>): Promise<BlenderSocketResponse>

  getStats(): {
    totalConnections: number
    activeConnections: number
    idleConnections: number
    /** Calls that wait for a place. */
    pendingRequests: number
    /** Of the pool's whole life. */
    totalRequests: number
  }

  /** Sends away who waits; what runs may finish, for two seconds. Nothing works afterwards. */
  shutdown(): Promise<void>
}

/** Nothing throws it: there is no lock to wait for. */
export class MutexTimeoutError extends Error {
  constructor(operation: string, timeoutMs: number)
}

/** The process's own pool, made when it is first asked for. */
export function getConnectionPool(): ConnectionPool
