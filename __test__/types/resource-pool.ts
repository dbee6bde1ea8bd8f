// What the types of a ResourcePool promise, checked by the compiler alone: this file is never run.

import { metricsOf, registerPool, startHealthReporter } from '../../health/index.js'
import {
  ConnectionPool,
  type HealthReport,
  type PoolError,
  type PooledConnection,
  PooledResource,
  type PoolStats,
  ResourcePool,
  type ResourcePoolOptions,
} from '../../index.js'
import { instrument } from '../../opentelemetry/index.js'

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function expect<T extends true>(): T

interface Session {
  run(line: string): Promise<string>
  end(): Promise<void>
}
declare function connect(signal: AbortSignal): Promise<Session>

const pool = new ResourcePool({
  create: connect,
  validate: async (session) => {
    expect<Equal<typeof session, Session>>()
    return (await session.run('true')) === ''
  },
  destroy: (session) => session.end(),
  onConnect: async (lease) => {
    expect<Equal<typeof lease, PooledResource<Session>>>()
    await lease.resource.run('cd /tmp')
  },
  onRelease: null,
  maxConnections: 2,
  maxConnecting: null,
  idleOrder: 'fifo',
})
expect<Equal<typeof pool, ResourcePool<Session>>>()
// What is given at once is a resource too.
expect<Equal<ReturnType<ResourcePool<number>['tryAcquire']>, PooledResource<number> | null>>()
new ResourcePool<number>({ create: () => 1 })
new ResourcePool<undefined>({ create: () => undefined, validate: null, destroy: null })

// @ts-expect-error nothing to make
new ResourcePool({ maxConnections: 1 })
// @ts-expect-error nothing at all
new ResourcePool()
// @ts-expect-error it has no endpoints
new ResourcePool({ create: connect, endpoints: 'localhost:1' })
// @ts-expect-error it runs no commands
new ResourcePool({ create: connect, commandTimeoutMs: 1 })
// @ts-expect-error what create makes is what destroy takes
new ResourcePool<number>({ create: () => 1, destroy: (session: Session) => session.end() })
// @ts-expect-error not a function
new ResourcePool({ create: 'session' })
// @ts-expect-error only a pool makes them
new PooledResource()

export async function work(signal: AbortSignal, connection: PooledConnection) {
  await using lease = await pool.acquire({ signal, timeoutMs: 1, priority: 1 })
  expect<Equal<typeof lease.resource, Session>>()
  const numbers: number[] = [lease.id, lease.createdAt, lease.useCount]
  const isHeld: boolean = lease.inUse
  // @ts-expect-error read only
  lease.resource = undefined
  // @ts-expect-error there is no endpoint to name
  await pool.acquire({ endpoint: 'factory' })
  // @ts-expect-error nor here
  pool.clear({ endpoint: 'factory' })
  // @ts-expect-error a connection is something else
  await pool.release(connection)
  const length = await pool.use(async ({ resource }) => (await resource.run('ls')).length)
  expect<Equal<typeof length, number>>()
  const again = await pool.recycle(lease, ({ resource }) => resource.run('cd'))
  expect<Equal<typeof again, string>>()
  await lease.discard('worn out')
  return [numbers, isHeld]
}

export async function upkeep() {
  await pool.warm()
  pool.pause()
  pool.ready()
  pool.clear({ interruptInUse: true })
  pool.resize({ minConnections: 1, maxConnections: 2 })
  expect<Equal<ReturnType<typeof pool.stats>, PoolStats>>()
  expect<Equal<Awaited<ReturnType<typeof pool.checkHealth>>, HealthReport>>()
  const states: string[] = pool.resources().map(({ state }) => state)
  // @ts-expect-error means nothing here
  pool.resources()[0].dialect
  // @ts-expect-error resources() it is
  pool.connections()
  // @ts-expect-error resources run no commands
  pool.execute('ping')
  const { cut } = await pool.unref().ref().close({ timeoutMs: 1, force: true })
  await pool[Symbol.asyncDispose]()
  return [states, cut, pool.metrics()]
}

export function events() {
  pool.on('poolCreated', ({ options }) => {
    expect<Equal<typeof options, ResourcePoolOptions<Session>>>()
  })
  pool.on('hookFailed', ({ hook, error }) => hook === 'destroy' && error.cause)
  pool.on('connectionClosed', ({ reason, error }) => {
    expect<Equal<typeof error, PoolError | undefined>>()
    return reason === 'unhealthy'
  })
  pool.on('alert', ({ metric }) => metric === 'lateResource')
  // @ts-expect-error a resource has none
  pool.on('connectionReady', ({ dialect }) => dialect)
}

export function around() {
  startHealthReporter(pool, { intervalMs: 1_000 }).stop()
  registerPool(pool, { timeoutMs: 1 })
  instrument(pool)()
  return metricsOf([pool, new ConnectionPool()])
}
