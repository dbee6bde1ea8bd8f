// What the types of the drop-in modules promise, checked by the compiler alone: this file is never run.

import {
  ApiConnectionPoolManager,
  ConnectionPool as CallPool,
  type CancellationToken,
  type getApiConnectionPoolManager,
  type PoolStatistics,
} from '../../compat/cli-connection-pool.js'
import {
  type BlenderSocketResponse,
  ConnectionPool,
  type ConnectionPoolConfig,
  type ExplainedError,
  type getConnectionPool,
  MutexTimeoutError,
  type PooledConnection,
} from '../../compat/connection-pool.js'
import {
  BlenderSocketClient,
  BufferOverflowError,
  ChunkCountExceededError,
  type getBlenderClient,
} from '../../compat/socket-client.js'
import type { PoolErrorCode } from '../../index.js'

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function expect<T extends true>(): T

export async function pooling() {
  const config: ConnectionPoolConfig = {
    minConnections: 1,
    maxConnections: 5,
    connectionTimeout: 30_000,
    idleTimeout: 60_000,
    maxRequestsPerConnection: 1_000,
    healthCheckInterval: 30_000,
    mutexTimeout: 30_000,
  }
  const pool = new ConnectionPool(config)
  new ConnectionPool()
  new ConnectionPool({ maxConnections: 1 })
  // @ts-expect-error no such setting
  new ConnectionPool({ maxConnection: 1 })

  const connection = await pool.acquire()
  expect<Equal<typeof connection, PooledConnection>>()
  expect<Equal<typeof connection.id, string>>()
  expect<Equal<typeof connection.createdAt, number>>()
  // @ts-expect-error only the pool writes
  connection.socket
  await pool.release(connection)

  const reply = await pool.execute('create_primitive', { primitive_type: 'CUBE' })
  expect<Equal<typeof reply, BlenderSocketResponse>>()
  if (reply.status === 'error') return reply.message?.length
  // @ts-expect-error a type, and its parameters
  await pool.execute({ type: 'get_scene_info' })

  const { totalConnections, activeConnections, idleConnections, pendingRequests, totalRequests } =
    pool.getStats()
  const sum: number =
    totalConnections + activeConnections + idleConnections + pendingRequests + totalRequests
  expect<Equal<ReturnType<typeof pool.shutdown>, Promise<void>>>()
  expect<Equal<ReturnType<typeof getConnectionPool>, ConnectionPool>>()
  return sum
}

export async function talking(host: string, params: Record<string, unknown>) {
  const client = new BlenderSocketClient(host, 9876, 180_000)
  new BlenderSocketClient()
  // @ts-expect-error a port is a number
  new BlenderSocketClient(host, '9876')
  await client.connect()
  const { status, result } = await client.sendCommand('get_scene_info', params)
  expect<Equal<typeof status, 'success' | 'error'>>()
  expect<Equal<ReturnType<typeof client.validateConnection>, Promise<boolean>>>()
  await client.disconnect()
  expect<Equal<ReturnType<typeof getBlenderClient>, BlenderSocketClient>>()
  return result
}

export function failing(error: unknown) {
  if (error instanceof BufferOverflowError) return error.totalBytes - error.maxSize
  if (error instanceof ChunkCountExceededError) return error.chunkCount - error.maxChunks
  if (error instanceof MutexTimeoutError) return error.message
  const { code, advice, cause } = error as ExplainedError
  expect<Equal<typeof code, PoolErrorCode>>()
  return advice + cause.toString()
}

/** The token of the old tool. */
interface OldToken {
  readonly isCancelled: boolean
  readonly canBeCancelled: boolean
  onCancellationRequested(listener: () => void): void
  throwIfCancellationRequested(): void
}

export async function calling(old: OldToken, signal: AbortSignal, asked: () => boolean) {
  const pool = new CallPool({ maxConnections: 5, requestsPerMinute: 60 }, 'api')
  // @ts-expect-error how many at a time has to be said
  new CallPool({ requestsPerMinute: 60 })
  const answer = await pool.execute(async () => 'text', old, 'key')
  expect<Equal<typeof answer, string>>()
  const length = await pool.execute(async (given) => {
    expect<Equal<typeof given, AbortSignal>>()
    return answer.length
  }, signal)
  await pool.execute(() => 1, { isCancelled: asked, onCancellationRequested: (fn) => fn })
  // @ts-expect-error a key is a text
  await pool.execute(async () => 1, undefined, 5)
  const token: CancellationToken = old
  pool.clearQueue('reason')
  const { utilization, rateLimitStatus, deduplicationStats } = pool.getStats()
  expect<Equal<ReturnType<typeof pool.shutdown>, Promise<void>>>()
  const sum = rateLimitStatus.remainingPerMinute + (deduplicationStats?.cacheHitRate ?? 0)

  const manager = new ApiConnectionPoolManager()
  expect<Equal<ReturnType<typeof manager.getPool>, CallPool>>()
  expect<Equal<ReturnType<typeof manager.getAllStats>, Record<string, PoolStatistics>>>()
  manager.createPool('api', { maxConnections: 1, deduplicationTtl: 1_000 })
  const found = await manager.execute(async () => [1], 'api', token, 'key')
  expect<Equal<typeof found, number[]>>()
  expect<Equal<ReturnType<typeof getApiConnectionPoolManager>, ApiConnectionPoolManager>>()
  return length + utilization + sum
}
