'use strict'

// Ready, paused, cleared, resized, warmed: what a pool is ordered to do as a whole, as its methods and its
// events show it. How the orders are carried out is tested where that is done, in Rust.

const { PoolError } = require('..')
const { faultOf, nextEvent } = require('./support/fault')
const { eventually, turn } = require('./support/arena')
const { closedPort, newPool, simulator } = require('./support/stage')

let blender
let address

beforeEach(async () => {
  blender = await simulator({ dialect: 'worker', beatMs: 0 })
  ;({ address } = blender)
})

const open = (options) => newPool({ endpoints: address, dialect: 'worker', ...options })
const CLEARED = { code: 'ERR_POOL_CLEARED', delivered: 'no', retryable: true }
const OPTION = { code: 'ERR_POOL_INVALID_OPTION' }

/** The names of the events, in the order in which they are told from now on. */
function history(pool, ...names) {
  const told = []
  for (const name of names) pool.on(name, () => told.push(name))
  return told
}

describe('a pool', () => {
  test('is ready from the start, and says so after poolCreated', async () => {
    const pool = open()
    const told = history(pool, 'poolReady', 'poolCreated', 'connectionCreated')
    expect(pool.state).toBe('ready')
    await pool.execute('ping')
    await eventually(() => told.length === 3)
    expect(told).toEqual(['poolCreated', 'poolReady', 'connectionCreated'])
    pool.ready()
    await turn()
    expect(told).toHaveLength(3)
  })

  test('may start paused: nothing is given out until ready()', async () => {
    const pool = open({ start: 'paused' })
    const told = history(pool, 'poolCreated', 'poolReady')
    expect(pool.state).toBe('paused')
    await faultOf(pool.execute('ping'), CLEARED)
    await faultOf(pool.acquire(), CLEARED)
    await faultOf(() => pool.tryAcquire(), CLEARED)
    await turn()
    expect(told).toEqual(['poolCreated'])
    pool.ready()
    expect(pool.state).toBe('ready')
    expect(await pool.execute('ping')).toMatchObject({ success: true })
    expect(told).toEqual(['poolCreated', 'poolReady'])
  })

  test('that is paused refuses who waits and who comes, and leaves holders alone', async () => {
    const pool = open({ maxConnections: 1 })
    const held = await pool.acquire()
    const waiting = [pool.acquire(), pool.execute('ping')]
    expect(pool.pause()).toBeUndefined()
    expect(pool.state).toBe('paused')
    for (const call of waiting) await faultOf(call, CLEARED)
    await faultOf(pool.acquire(), CLEARED)
    expect(await held.execute('ping')).toMatchObject({ success: true })
    await held.release()
    pool.ready()
    expect(await pool.use(({ id }) => id)).toBe(held.id)
  })

  test('that is closed takes no orders', async () => {
    const pool = open()
    await pool.close()
    const closed = { code: 'ERR_POOL_CLOSED' }
    for (const order of ['ready', 'pause', 'clear']) await faultOf(() => pool[order](), closed)
    await faultOf(() => pool.resize({ maxConnections: 2 }), closed)
    await faultOf(pool.warm(), closed)
    expect((await pool.checkHealth()).state).toBe('closed')
  })
})

describe('clear', () => {
  test('uses no connection again that was open, and pauses', async () => {
    const pool = open({ maxConnections: 2 })
    const cleared = nextEvent(pool, 'poolCleared')
    const [held] = await Promise.all([pool.acquire(), pool.execute('ping')])
    pool.clear()
    expect(pool.state).toBe('paused')
    expect(await cleared).toEqual({ interruptInUse: false })
    expect(await held.execute('ping')).toMatchObject({ success: true })
    const gone = nextEvent(pool, 'connectionClosed', ({ connectionId }) => connectionId === held.id)
    await held.release()
    expect(await gone).toMatchObject({ reason: 'stale' })
    pool.ready()
    expect(await pool.use(({ id }) => id)).toBeGreaterThan(held.id)
  })

  test('with interruptInUse cuts who holds one', async () => {
    const pool = open()
    const held = await pool.acquire()
    const call = held.execute({ type: 'sleep', params: { ms: 60_000 } })
    await blender.waitFor(({ received }) => received >= 1)
    pool.clear({ interruptInUse: true })
    await expect(call).rejects.toBeInstanceOf(PoolError)
    await held[Symbol.asyncDispose]()
  })

  test('of one endpoint leaves the others at work', async () => {
    const other = await simulator({ dialect: 'worker', beatMs: 0 })
    const endpoints = [
      { name: 'left', address },
      { name: 'right', address: other.address },
    ]
    const pool = open({ endpoints })
    await pool.execute('ping', { endpoint: 'left' })
    await pool.execute('ping', { endpoint: 'right' })
    const closed = nextEvent(pool, 'connectionClosed')
    const cleared = nextEvent(pool, 'poolCleared')
    pool.clear({ endpoint: 'left' })
    expect(await closed).toMatchObject({ endpoint: 'left', reason: 'stale' })
    expect(await cleared).toMatchObject({ endpoint: 'left' })
    expect(pool.state).toBe('ready')
    expect(await pool.execute('ping', { endpoint: 'right' })).toMatchObject({ success: true })
  })

  test('refuses wrong options, and clears nothing', async () => {
    const pool = open()
    for (const options of [{ endpoint: 'nowhere' }, { interruptInUse: 1 }, { force: true }, null]) {
      await faultOf(() => pool.clear(options), OPTION)
    }
    expect(pool.state).toBe('ready')
  })
})

describe('resize', () => {
  test('raises the limit for those who wait already', async () => {
    const pool = open({ maxConnections: 1 })
    const held = await pool.acquire()
    const waiting = pool.acquire()
    expect(pool.resize({ maxConnections: 2 })).toBeUndefined()
    expect((await waiting).id).not.toBe(held.id)
    expect(pool.stats()).toMatchObject({ min: 0, max: 2, inUse: 2 })
  })

  test('opens what it newly has to keep, and cuts no holder as it shrinks', async () => {
    const pool = open({ maxConnections: 3 })
    pool.resize({ minConnections: 2 })
    await pool.warm()
    expect(pool.stats().idle).toBeGreaterThanOrEqual(2)
    const held = await Promise.all([pool.acquire(), pool.acquire()])
    pool.resize({ minConnections: 0, maxConnections: 1 })
    for (const connection of held) {
      expect(await connection.execute('ping')).toMatchObject({ success: true })
    }
    for (const connection of held) await connection.release()
    await eventually(() => pool.stats().total <= 1)
  })

  test.each([
    [undefined],
    [null],
    [5],
    [{ maxConnections: 0 }],
    [{ maxConnections: 1_025 }],
    [{ maxConnections: '5' }],
    [{ minConnections: -1 }],
    [{ minConnections: 3, maxConnections: 2 }],
    [{ minConnections: 6 }],
    [{ max: 5 }],
  ])('refuses %j, and changes nothing', async (size) => {
    const pool = open({ maxConnections: 5 })
    await faultOf(() => pool.resize(size), OPTION)
    expect(pool.stats()).toMatchObject({ min: 0, max: 5 })
  })
})

describe('warm', () => {
  test('resolves when minConnections are open', async () => {
    const pool = open({ minConnections: 3 })
    expect(await pool.warm()).toBeUndefined()
    expect(pool.stats()).toMatchObject({ idle: 3, created: 3 })
  })

  test('rejects with what keeps them from being opened', async () => {
    const endpoints = `127.0.0.1:${await closedPort()}`
    const pool = open({ endpoints, minConnections: 1, acquireTimeoutMs: 100 })
    const error = await faultOf(pool.warm(), { code: 'ERR_POOL_ACQUIRE_TIMEOUT' })
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
    expect(error.stack).toContain(__filename)
  })
})

describe('how a call queues', () => {
  test('higher priorities go first, and equal ones in their order', async () => {
    const pool = open({ maxConnections: 1 })
    const held = await pool.acquire()
    const served = []
    const calls = [0, -5, 7, undefined, 7].map(async (priority, n) => {
      await pool.use(() => served.push(n), { priority })
    })
    await held.release()
    await Promise.all(calls)
    expect(served).toEqual([2, 4, 0, 3, 1])
  })

  test('calls of one affinity go to one endpoint', async () => {
    const other = await simulator({ dialect: 'worker', beatMs: 0 })
    const pool = open({ endpoints: [address, other.address], maxConnections: 6 })
    for (const affinity of ['scene', 7, '7', 'x'.repeat(512)]) {
      const held = await Promise.all([1, 2, 3].map(() => pool.acquire({ affinity })))
      const endpoints = new Set(held.map(({ endpoint }) => endpoint))
      expect(endpoints.size).toBe(1)
      for (const connection of held) await connection.release()
      const again = pool.tryAcquire({ affinity })
      expect(endpoints).toContain(again.endpoint)
      await again.release()
    }
  })

  test.each([
    { priority: 101 },
    { priority: -101 },
    { priority: 0.5 },
    { priority: '1' },
    { affinity: '' },
    { affinity: 1.5 },
    { affinity: {} },
    { affinity: null },
    { affinity: 'x'.repeat(513) },
  ])('%j is refused', async (options) => {
    const pool = open()
    await faultOf(pool.execute('ping', options), OPTION)
    await faultOf(pool.acquire(options), OPTION)
    await faultOf(() => pool.tryAcquire(options), OPTION)
    expect(blender.stats().connects).toBe(0)
  })

  test('affinity and endpoint contradict each other', async () => {
    const { details } = await faultOf(
      open().acquire({ affinity: 'scene', endpoint: address }),
      OPTION,
    )
    expect(details.options).toEqual(['affinity', 'endpoint'])
  })
})

test('metrics are text for Prometheus, with the name of the pool', () => {
  const text = open({ name: 'studio' }).metrics()
  expect(text).toMatch(/^# (HELP|TYPE) \w+/m)
  expect(text).toMatch(/^\w+\{pool="studio".*\} \d/m)
})
