'use strict'

// A ResourcePool never holds more than it may, and never loses a place: what is made and destroyed is counted by
// the functions themselves, outside the pool.

const { eventually, outcome, turn } = require('./support/arena')
const { expectBalanced, faultOf, nextEvent } = require('./support/fault')
const { Random } = require('./support/random')
const { deferred, workshop } = require('./support/workshop')

test('capacity is reserved before anything is made', async () => {
  const gate = deferred()
  const shop = workshop({ make: () => gate.promise })
  const pool = shop.open({ maxConnections: 3, maxConnecting: 3 })
  const calls = Array.from({ length: 20 }, () => pool.acquire())
  await eventually(() => shop.signals.length === 3)
  await turn()
  await turn()
  expect(shop.signals).toHaveLength(3)
  expect(pool.stats()).toMatchObject({ total: 3, connecting: 3, waiting: 20 })
  gate.resolve({})
  for (const call of calls) await (await call).release()
  expect(shop.made).toHaveLength(3)
})

test('a creation that fails gives its slot back and wakes the next who waits', async () => {
  const first = deferred()
  const shop = workshop({ make: (_signal, number) => (number === 1 ? first.promise : number) })
  const pool = shop.open({ maxConnections: 1, connectRetryMs: 10_000 })
  const [one, two] = [pool.acquire(), pool.acquire()]
  await eventually(() => shop.signals.length === 1)
  first.reject(new Error('no'))
  const lease = await one
  expect(lease.resource).toBe(2)
  await lease.release()
  await (await two).release()
  expect(pool.stats()).toMatchObject({ created: 2, connectFailures: 1, total: 1 })
})

test('a waiter whose caller turned away leaks neither slot nor resource', async () => {
  const gates = []
  const shop = workshop({
    make: (_signal, number) => {
      gates.push(deferred())
      return gates[number - 1].promise
    },
  })
  const pool = shop.open({ maxConnections: 1 })
  const controller = new AbortController()
  const gone = outcome(pool.acquire({ signal: controller.signal }))
  await eventually(() => gates.length === 1)
  controller.abort()
  expect((await gone).error).toBe(controller.signal.reason)
  // What was begun for it serves the next.
  const next = pool.acquire()
  gates[0].resolve('made')
  const lease = await next
  expect(lease.resource).toBe('made')
  await lease.release()
  expectWhole(pool, { idle: 1 })
  expect(shop.made).toEqual(['made'])
})

test('a resource that is given back twice goes to nobody else', async () => {
  const shop = workshop()
  const pool = shop.open({ maxConnections: 1 })
  const first = await pool.acquire()
  await first.release()
  const second = await pool.acquire()
  await faultOf(first.release(), { code: 'ERR_POOL_NOT_HELD' })
  await faultOf(pool.release(first), { code: 'ERR_POOL_NOT_HELD' })
  await faultOf(first.discard(), { code: 'ERR_POOL_NOT_HELD' })
  await first[Symbol.asyncDispose]()
  const third = outcome(pool.acquire({ timeoutMs: 30 }))
  expect((await third).error.code).toBe('ERR_POOL_ACQUIRE_TIMEOUT')
  expect(second.inUse).toBe(true)
  expect(second.resource).toBe(shop.made[0])
  await second.release()
})

test('a release while somebody waits hands over the same resource', async () => {
  const shop = workshop()
  const pool = shop.open({ maxConnections: 1 })
  let lease = await pool.acquire()
  const [resource] = shop.made
  for (let round = 0; round < 20; round++) {
    const next = pool.acquire()
    await lease.release()
    lease = await next
    expect(lease.resource).toBe(resource)
  }
  expect(shop.made).toHaveLength(1)
  await lease.release()
})

test('a check that is slow leaks nothing, and nobody is lent what it looks at', async () => {
  const verdict = deferred()
  const shop = workshop()
  const pool = shop.open({ maxConnections: 2, validate: () => verdict.promise })
  const leases = await Promise.all([pool.acquire(), pool.acquire()])
  await Promise.all(leases.map((lease) => lease.release()))
  const report = pool.checkHealth()
  const waiting = Array.from({ length: 4 }, () => pool.acquire())
  expect(pool.tryAcquire()).toBe(null)
  await turn()
  expect(pool.stats()).toMatchObject({ inUse: 0, waiting: 4, total: 2 })
  verdict.resolve(true)
  for (const call of waiting) await (await call).release()
  expect(await report).toMatchObject({ status: 'healthy' })
  expect(shop.made).toHaveLength(2)
  expectWhole(pool, { idle: 2 })
})

test('who waits is served in order, whatever fails before', async () => {
  let failures = 5
  const shop = workshop({
    make: () => {
      if (failures-- > 0) throw new Error('not yet')
      return {}
    },
  })
  const pool = shop.open({ maxConnections: 2, connectRetryMs: 10_000 })
  const order = []
  await Promise.all(
    Array.from({ length: 30 }, async (_, at) => {
      const lease = await pool.acquire()
      order.push(at)
      await turn()
      await lease.release()
    }),
  )
  expect(order).toEqual([...order].sort((a, b) => a - b))
  expect(pool.stats()).toMatchObject({ connectFailures: 5, acquired: 30, released: 30 })
})

test('never more than maxConnections stand, and every call is served, with thousands at a time', async () => {
  const random = new Random(7)
  const shop = workshop({
    make: async () => {
      if (random.is(0.5)) await turn()
      if (random.is(0.2)) throw new Error('no luck')
      return {}
    },
    unmake: async () => {
      if (random.is(0.5)) await turn()
    },
  })
  const pool = shop.open({
    maxConnections: 10,
    maxConnecting: 10,
    connectRetryMs: 60_000,
    acquireTimeoutMs: 60_000,
    maxUses: 7,
  })
  let held = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 3_000 }, async () => {
      const lease = await pool.acquire()
      most = Math.max(most, ++held)
      if (random.is(0.3)) await turn()
      held--
      if (random.is(0.1)) await lease.discard()
      else await lease.release()
    }),
  )
  expect(most).toBeGreaterThan(1)
  expect(most).toBeLessThanOrEqual(10)
  expect(shop.most).toBeLessThanOrEqual(10)
  // What nobody waits for any more may still be in the making.
  await eventually(() => {
    const { unusable, connecting } = pool.stats()
    return unusable + connecting === 0
  })
  expect(shop.standing).toBe(pool.stats().total)
  expect(pool.stats()).toMatchObject({ acquired: 3_000, released: 3_000, waiting: 0 })
  expectBalanced({ stats: () => pool.stats(), connections: () => pool.resources() })
})

test('the counters are what was counted outside', async () => {
  const shop = workshop({
    make: (_signal, number) => {
      if (number % 3 === 0) throw new Error('every third')
      return {}
    },
  })
  const pool = shop.open({ maxConnections: 4, connectRetryMs: 10_000, maxUses: 2 })
  for (let round = 0; round < 30; round++) {
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
    await Promise.all(
      leases.map((lease, at) => (at === round % 5 ? lease.discard() : lease.release())),
    )
  }
  await eventually(() => pool.stats().unusable + pool.stats().connecting === 0)
  const stats = pool.stats()
  expect(stats.created).toBe(shop.signals.length)
  expect(stats.connectFailures).toBe(shop.signals.length - shop.made.length)
  expect(stats.total).toBe(shop.standing)
  const closed = Object.values(stats.closed).reduce((sum, count) => sum + count)
  expect(closed).toBe(stats.connectFailures + shop.destroyed.length)
  expect(stats).toMatchObject({ acquired: 90, released: 90, inUse: 0, waiting: 0 })
})

test('after an outage it comes back by itself', async () => {
  let isOut = true
  const shop = workshop({
    make: () => {
      if (isOut) throw new Error('out')
      return {}
    },
  })
  const pool = shop.open({ maxConnections: 2 })
  const down = nextEvent(pool, 'endpointDown')
  await faultOf(pool.acquire(), { code: 'ERR_POOL_CONNECT' })
  expect(await down).toMatchObject({ endpoint: 'factory', failures: 1 })
  const up = nextEvent(pool, 'endpointUp')
  isOut = false
  let served
  while (served === undefined) served = (await outcome(pool.acquire())).value
  expect(await up).toMatchObject({ endpoint: 'factory' })
  await served.release()
  expectWhole(pool, { idle: 1 })
})

test('while an outage lasts, who comes is told its cause at once', async () => {
  const mine = new Error('the disk is full')
  const shop = workshop({
    make: () => {
      throw mine
    },
  })
  const pool = shop.open({ retryBackoffMs: 20_000, maxRetryBackoffMs: 20_000 })
  await faultOf(pool.acquire(), { code: 'ERR_POOL_CONNECT' })
  for (;;) {
    const { error } = await outcome(pool.acquire())
    expect(error.cause).toBe(mine)
    if (error.code === 'ERR_POOL_CONNECT') continue
    expect(error).toMatchObject({
      code: 'ERR_POOL_ENDPOINT_DOWN',
      message: expect.stringMatching(
        /^factory is down, and not tried again for \d+ ms: create failed: the disk is full$/,
      ),
      advice: expect.stringContaining('create'),
    })
    break
  }
})

/** Everything that stands is idle, and there is so much of it. */
function expectWhole(pool, { idle }) {
  expect(pool.stats()).toMatchObject({ total: idle, idle, inUse: 0, waiting: 0, unusable: 0 })
}
