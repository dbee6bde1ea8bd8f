// What the types promise, checked by the compiler alone: this file is never run.

import {
  ConnectionPool,
  type Delivered,
  deliveredOf,
  type HealthReport,
  PoolError,
  PooledConnection,
  type PoolOptions,
  type PoolStats,
  type Reply,
  type SuccessReply,
} from '../../index.js'

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function expect<T extends true>(): T

const pool = new ConnectionPool({ endpoints: ['127.0.0.1:9876', { path: '/tmp/blender.sock' }] })
new ConnectionPool()
new ConnectionPool({ maxConnecting: null, pingOnConnect: null, dialect: 'blender-lab' })
new ConnectionPool({
  start: 'paused',
  idleOrder: 'fifo',
  minConnections: 1,
  endpoints: [{ port: 9876, minConnections: 1, maxConnections: 2 }],
  onConnect: async (connection) => {
    expect<Equal<typeof connection, PooledConnection>>()
    await connection.execute('ping')
  },
  onRelease: () => {},
})

// @ts-expect-error not a word for it
new ConnectionPool({ start: 'sleeping' })
// @ts-expect-error a hook is a function
new ConnectionPool({ onConnect: 'ping' })

// @ts-expect-error an unknown option
new ConnectionPool({ maxConnection: 3 })
// @ts-expect-error a number in words
new ConnectionPool({ maxConnections: '3' })
// @ts-expect-error an unknown dialect
new ConnectionPool({ dialect: 'maya' })
// @ts-expect-error an endpoint is no number
new ConnectionPool({ endpoints: 9876 })

export async function commands(signal: AbortSignal) {
  const reply = await pool.execute({ type: 'get_scene_info' }, { signal, timeoutMs: 1000 })
  expect<Equal<typeof reply, Reply>>()
  reply.result.objects.length
  const word: 'success' | 'error' = reply.status
  const stdout: unknown = reply.stdout

  const typed = await pool.execute<{ objects: string[] }>('get_scene_info')
  expect<Equal<typeof typed.result, { objects: string[] } | undefined>>()
  // @ts-expect-error it may be an error
  typed.result.objects
  if (typed.success) typed.result.objects.length
  if (typed.status === 'success') typed.result.objects.length
  else expect<Equal<typeof typed.message, string | undefined>>()

  const sure = await pool.execute<{ objects: string[] }>('get_scene_info', { rejectOnError: true })
  expect<Equal<typeof sure, SuccessReply<{ objects: string[] }>>>()
  const held = await pool.use((connection) =>
    connection.execute<{ n: number }>('count', { rejectOnError: true, timeoutMs: 5 }),
  )
  expect<Equal<typeof held.result.n, number>>()
  const judged = await pool.execute('get_scene_info', { rejectOnError: Math.random() > 0.5 })
  expect<Equal<typeof judged, Reply>>()
  // Without a word on what it is, it is anything, as ever.
  judged.result.objects.length

  const raw = await pool.execute('get_scene_info', { raw: true })
  expect<Equal<typeof raw, Buffer>>()
  const either = await pool.execute('get_scene_info', { raw: Math.random() > 0.5 })
  expect<Equal<typeof either, Reply | Buffer>>()

  // @ts-expect-error a command has a type
  await pool.execute({ params: {} })
  // @ts-expect-error and nothing but a type and params
  await pool.execute({ type: 'a', parameters: {} })
  // @ts-expect-error params is an object
  await pool.execute({ type: 'a', params: 'code' })
  // @ts-expect-error times end in Ms
  await pool.execute('a', { timeout: 5 })
  // @ts-expect-error a signal is not its controller
  await pool.execute('a', { signal: new AbortController() })

  const call = pool.execute('render', { signal })
  expect<Equal<ReturnType<typeof deliveredOf>, Delivered | undefined>>()
  return [word, stdout, deliveredOf(call)]
}

export async function connections() {
  await using connection = await pool.acquire({ endpoint: 'left' })
  expect<Equal<typeof connection, PooledConnection>>()
  const at: number = connection.createdAt
  await connection.execute('a', { rejectOnError: true })
  // @ts-expect-error a held connection has its endpoint
  await connection.execute('a', { endpoint: 'left' })
  // @ts-expect-error read only
  connection.id = 3
  // @ts-expect-error only a pool makes connections
  new PooledConnection()
  // @ts-expect-error acquire has no reply to reject on
  await pool.acquire({ rejectOnError: true })

  const maybe = pool.tryAcquire()
  // @ts-expect-error there may be none
  maybe.id

  const used = await pool.use(async (held) => held.id)
  expect<Equal<typeof used, number>>()
  await pool.release(connection)
  return at
}

export async function queueing() {
  await pool.execute('a', { priority: 5, affinity: 'scene-1' })
  await pool.acquire({ affinity: 7, endpoint: undefined })
  pool.tryAcquire({ affinity: 7 })
  // @ts-expect-error nobody waits in tryAcquire
  pool.tryAcquire({ priority: 1 })
  // @ts-expect-error a key is no object
  await pool.acquire({ affinity: {} })
  // @ts-expect-error a held connection does not wait for one
  await pool.use((held) => held.execute('a', { priority: 1 }))
}

export async function life() {
  pool.pause()
  pool.clear({ endpoint: 'left', interruptInUse: true })
  pool.ready()
  pool.resize({ maxConnections: 3 })
  // @ts-expect-error it has to say how large
  pool.resize()
  await pool.warm()
  const recycled = await pool.recycle(await pool.acquire(), async (held) => held.id)
  expect<Equal<typeof recycled, number>>()
  const text: string = pool.metrics()
  return text
}

export async function health() {
  const report = await pool.checkHealth()
  expect<Equal<typeof report, HealthReport>>()
  // @ts-expect-error not a status
  if (report.status === 'fine') return
  const [{ ok, error }] = report.connections
  expect<Equal<typeof error, PoolError | undefined>>()
  return ok === null ? report.endpoints[0].busy : report.stats.waitMs.p99
}

export async function figures() {
  expect<Equal<ReturnType<typeof pool.stats>, PoolStats>>()
  const dialect: string | null = pool.endpoints()[0].dialect
  const state: 'paused' | 'ready' | 'closing' | 'closed' = pool.state
  const slots: number[] = pool.connections().map((connection) => connection.slot)
  const { cut } = await pool.unref().ref().close({ timeoutMs: 100, force: true })
  await pool[Symbol.asyncDispose]()
  return [dialect, state, slots, cut]
}

export function events() {
  pool.on('connectionReady', ({ connectionId, durationMs }) => connectionId + durationMs)
  pool.once('connectionClosed', ({ reason, error }) => {
    expect<Equal<typeof error, PoolError | undefined>>()
    // @ts-expect-error not a reason
    return reason === 'boredom'
  })
  pool.on('poolCreated', ({ options }) => {
    expect<Equal<typeof options, PoolOptions>>()
  })
  pool.on('connectionCheckOutFailed', ({ reason, error }) => {
    expect<Equal<typeof error, unknown>>()
    // @ts-expect-error not a reason
    return reason === 'boredom'
  })
  pool.on('leakDetected', ({ stack, heldMs }) => [stack?.split('\n'), heldMs.toFixed()])
  pool.on('alert', ({ severity, metric }) => severity === 'critical' && metric === 'nestedAcquire')
  pool.on('hookFailed', ({ hook, error }) => hook === 'recycle' && error.code)
  pool.once('poolReady', () => {})
  // A listener may be asynchronous.
  pool.on('commandAborted', async ({ delivered }) => delivered === 'maybe')
  // @ts-expect-error no such field
  pool.on('desync', ({ bytes }) => bytes)
}

export function errors(error: unknown) {
  if (!(error instanceof PoolError)) throw error
  switch (error.code) {
    case 'ERR_POOL_CONNECT':
      return error.cause?.syscall
    // @ts-expect-error not a code
    case 'ERR_POOL_BORED':
      return error.advice
    default:
      return error.delivered === 'no' && error.retryable && error.stats?.waiting
  }
}

export const made = new PoolError({ code: 'ERR_POOL_CLOSED', message: 'for a test' })
