'use strict'

// What lay idle may have died: it is validated before the next holder gets it, and what its last holder
// complained of is too.

const { ResourcePool } = require('..')
const { afterwards } = require('./support/stage')

/** A pool of numbered things of which some are dead. */
function shop(options = {}) {
  const seen = { made: 0, validated: [], dead: new Set() }
  const pool = new ResourcePool({
    create: () => ++seen.made,
    validate: (thing) => {
      seen.validated.push(thing)
      return !seen.dead.has(thing)
    },
    healthCheckIntervalMs: 0,
    validateAfterIdleMs: 0,
    ...options,
  })
  afterwards(() => pool.close({ force: true }))
  return { pool, seen }
}

/** A verdict that the test gives when it likes. */
function latch() {
  let open = () => {}
  const opened = new Promise((resolve) => {
    open = () => resolve(true)
  })
  return { open, opened }
}

/** So many things, all idle. */
async function idle(pool, count) {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()))
  await Promise.all(leases.map((lease) => lease.release()))
}

test('what is idle is validated before it is lent', async () => {
  const { pool, seen } = shop()
  await idle(pool, 1)
  expect(seen.validated).toEqual([])
  expect(await pool.use(({ resource }) => resource)).toBe(1)
  expect(seen.validated).toEqual([1])
  expect(seen.made).toBe(1)
})

test('what was used a moment ago is trusted for validateAfterIdleMs', async () => {
  const { pool, seen } = shop({ validateAfterIdleMs: 2 ** 31 - 1 })
  await idle(pool, 1)
  for (let round = 0; round < 10; round++) await pool.use(() => {})
  expect(seen.validated).toEqual([])
})

test('what is dead is not lent: another is made for who waits', async () => {
  const { pool, seen } = shop({ maxConnections: 1 })
  await idle(pool, 1)
  seen.dead.add(1)
  expect(await pool.use(({ resource }) => resource)).toBe(2)
  expect(pool.stats().closed.unhealthy).toBe(1)
})

test('after work that failed, it is validated however short it was idle', async () => {
  const { pool, seen } = shop({ validateAfterIdleMs: 2 ** 31 - 1, maxConnections: 1 })
  const broken = pool.use(({ resource }) => {
    seen.dead.add(resource)
    throw new Error('it broke in my hands')
  })
  const next = pool.use(({ resource }) => resource)
  await expect(broken).rejects.toThrow('it broke in my hands')
  expect(await next).toBe(2)
  expect(seen.validated).toEqual([1])
  // Found well once, it is trusted again.
  await expect(pool.use(() => Promise.reject(new Error('mine')))).rejects.toThrow('mine')
  for (let round = 0; round < 3; round++) expect(await pool.use((lease) => lease.resource)).toBe(2)
  expect(seen.validated).toEqual([1, 2])
})

test('one caller has one of several validated, and nothing new made', async () => {
  const { pool, seen } = shop({ maxConnections: 5 })
  await idle(pool, 3)
  const { made } = seen
  await pool.use(() => {})
  expect(seen.validated).toHaveLength(1)
  expect(seen.made).toBe(made)
})

test('several callers have as many validated at the same time', async () => {
  const verdict = latch()
  const { pool, seen } = shop({
    maxConnections: 3,
    validate: (thing) => {
      // The last opens for all: one after another would never come to that.
      if (seen.validated.push(thing) === 3) verdict.open()
      return verdict.opened
    },
  })
  await idle(pool, 3)
  const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()))
  expect(new Set(leases.map(({ resource }) => resource)).size).toBe(3)
  expect([...seen.validated].sort()).toEqual([1, 2, 3])
})

test('who waits for one in the making gets one that comes back, once it is validated', async () => {
  const verdict = latch()
  let making = 0
  const { pool, seen } = shop({
    maxConnections: 2,
    // Nobody is served by waiting for the other.
    connectTimeoutMs: 2 ** 31 - 1,
    create: () => (++making === 1 ? 'first' : new Promise(() => {})),
  })
  const broken = pool.use(async () => {
    await verdict.opened
    throw new Error('it broke in my hands')
  })
  const waiting = pool.use(({ resource }) => resource)
  while (making < 2) await new Promise((resolve) => setImmediate(resolve))
  verdict.open()
  await expect(broken).rejects.toThrow('it broke in my hands')
  expect(await waiting).toBe('first')
  expect(seen.validated).toEqual(['first'])
})

test('a validate that hangs keeps its caller for healthCheckTimeoutMs, and no longer', async () => {
  const { pool, seen } = shop({
    healthCheckTimeoutMs: 20,
    maxConnections: 2,
    validate: () => new Promise(() => {}),
  })
  await idle(pool, 1)
  expect(await pool.use(({ resource }) => resource)).toBe(2)
  expect(seen.made).toBe(2)
})

test('a caller who leaves while it is validated takes nothing with it', async () => {
  const verdict = latch()
  const { pool } = shop({ maxConnections: 1, validate: () => verdict.opened })
  await idle(pool, 1)
  const controller = new AbortController()
  const gone = pool.acquire({ signal: controller.signal })
  controller.abort(new Error('gone'))
  await expect(gone).rejects.toThrow('gone')
  verdict.open()
  expect(await pool.use(({ resource }) => resource)).toBe(1)
  expect(pool.stats()).toMatchObject({ idle: 1, inUse: 0, waiting: 0, total: 1 })
})

test('tryAcquire gives nothing that has to be validated first', async () => {
  const { pool } = shop()
  await idle(pool, 1)
  expect(pool.tryAcquire()).toBeNull()
})
