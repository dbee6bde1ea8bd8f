/**
 * `src/cli/cli_connection_pool.ts` of a command-line tool, over the limiter of this package. What differs
 * stands in `cli-connection-pool.js`; how to go further, in `docs/migrating.md`.
 *
 * Times are milliseconds.
 */

/** No value is refused: one that cannot be meant becomes the nearest that can. */
export interface ConnectionPoolOptions {
  /** Calls at the same time: 1 to 1 024. */
  maxConnections: number
  /** Starts within any 60 seconds; 0 or nothing: any number. */
  requestsPerMinute?: number | undefined
  /** Starts within any second; 0 or nothing: any number. */
  requestsPerSecond?: number | undefined
  /** How long a call waits for a place; waiting for the rate does not count. Default: 30 000. */
  queueTimeout?: number | undefined
  /** Whether calls with the same key are one, and its result is kept. Default: true. */
  enableDeduplication?: boolean | undefined
  /** How long a result is kept, of calls with a key. Default: 60 000. */
  deduplicationTtl?: number | undefined
}

/** Something that tells when it is cancelled: asked, listened to, or both. */
export interface CancellationToken {
  readonly isCancelled?: boolean | (() => boolean) | undefined
  /** May give back how to stop listening: a function, or something with `dispose()`. */
  onCancellationRequested?(listener: () => void): unknown
  throwIfCancellationRequested?(): void
}

/** What a call runs. It may ignore the signal, which aborts when all its callers have cancelled. */
export type Work<T> = (signal: AbortSignal) => Promise<T> | T

export interface PoolStatistics {
  activeConnections: number
  maxConnections: number
  queuedRequests: number
  /** 0 to 100. */
  utilization: number
  rateLimitStatus: {
    requestsLastSecond: number
    requestsLastMinute: number
    /** Infinity without a limit. */
    remainingPerSecond: number
    remainingPerMinute: number
  }
  /** With `enableDeduplication`. */
  deduplicationStats?: {
    pendingRequests: number
    cachedResults: number
    /** How many percent of the calls with a key were spared. */
    cacheHitRate: number
  }
}

export class ConnectionPool {
  constructor(options: ConnectionPoolOptions, name?: string)

  /**
   * Runs `fn` when there is a place and the rate allows it, first come, first served. Calls with the same
   * `requestKey` share one run and, for `deduplicationTtl`, its result.
   *
   * Rejects with what `fn` throws, and with `Connection pool timeout after Nms`, `Connection pool queue
   * cleared`, `Connection pool is shutting down`; with an error named `CancellationError` when the token is
   * cancelled: `Connection pool wait was cancelled` while it waits, `Operation was cancelled` while it runs.
   */
  execute<T>(
    fn: Work<T>,
    token?: CancellationToken | AbortSignal | null,
    requestKey?: string,
  ): Promise<T>

  getStats(): PoolStatistics

  /** Rejects all that waits, and forgets the results that are kept. */
  clearQueue(reason?: string): void

  /** Rejects all that waits, and resolves when what runs has ended. Nothing starts afterwards. */
  shutdown(): Promise<void>
}

/** Pools by name, and one for everything else. */
export class ApiConnectionPoolManager {
  /** Default: 10 at a time, 60 a minute, 10 a second. */
  constructor(defaultOptions?: ConnectionPoolOptions)
  createPool(name: string, options: ConnectionPoolOptions): ConnectionPool
  /** An unknown name is a process warning, and gives the default pool. */
  getPool(name?: string): ConnectionPool
  execute<T>(
    fn: Work<T>,
    poolName?: string,
    token?: CancellationToken | AbortSignal | null,
    requestKey?: string,
  ): Promise<T>
  getAllStats(): Record<string, PoolStatistics>
  shutdown(): Promise<void>
}

/** The process's own manager, made when it is first asked for; `options` are heeded then only. */
export function getApiConnectionPoolManager(
  options?: ConnectionPoolOptions,
): ApiConnectionPoolManager
