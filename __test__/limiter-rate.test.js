'use strict'
// The rate of a Limiter, by the clock that its functions see: never one start too many in any 1 000 ms, and never so
// few that somebody forgot to go on. (To the millisecond, and over minutes, it is proved where time is made up: in
// tests/limiter.rs.)

const { setTimeout: sleep } = require('node:timers/promises')
const { Limiter } = require('..')
const { Random } = require('./support/random')

/** What a busy machine may take longer than it should. */
const GRACE_MS = 8_000

/** Keeps the only thread there is. */
function keepBusy(ms) {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** @param {number[]} starts in their order */
function expectWithin(starts, limit) {
  const gaps = starts.slice(limit).map((start, at) => start - starts[at])
  expect(Math.min(Infinity, ...gaps)).toBeGreaterThanOrEqual(1_000)
}

test('a burst starts in whole windows, in its order', async () => {
  const limiter = new Limiter({ maxConcurrent: 1_024, requestsPerSecond: 100 })
  const order = []
  const starts = []
  const began = performance.now()
  const one = (number) => () => {
    starts.push(performance.now())
    order.push(number)
  }
  await Promise.all(Array.from({ length: 350 }, (_, number) => limiter.run(one(number))))
  const took = performance.now() - began
  expectWithin(starts, 100)
  expect(order).toEqual([...Array(350).keys()])
  expect(took).toBeGreaterThanOrEqual(3_000)
  expect(took).toBeLessThan(3_000 + GRACE_MS)
  expect(limiter.stats().rate).toMatchObject({ perSecond: 100, lastMinute: 350 })
  await limiter.close()
})

test('callers who come and go anyhow, and a thread that is busy, never make it one too many', async () => {
  const random = new Random(7)
  const limits = [7, 40]
  const limiters = limits.map(
    (requestsPerSecond) => new Limiter({ maxConcurrent: 9, requestsPerSecond }),
  )
  const starts = limits.map(() => [])
  const asked = limits.map(() => 0)
  const all = []
  const ask = (at) => {
    asked[at]++
    const controller = new AbortController()
    const slow = random.is(0.1)
    const late = random.is(0.3)
    const options = { signal: controller.signal, priority: random.between(-1, 1) }
    const run = limiters[at].run(async () => {
      starts[at].push(performance.now())
      if (slow) keepBusy(15)
      if (late) await sleep(random.between(1, 60))
    }, options)
    all.push(run.catch((error) => expect(error).toBe(controller.signal.reason)))
    if (random.is(0.2)) setTimeout(() => controller.abort(), random.between(0, 300)).unref()
    if (random.is(0.05)) controller.abort()
  }
  const until = performance.now() + 2_500
  while (performance.now() < until || asked.some((count, at) => count < 3 * limits[at])) {
    const at = random.between(0, 1)
    const count = random.is(0.1) ? 12 : 1
    for (let one = 0; one < count; one++) if (limiters[at].stats().waiting < 30) ask(at)
    if (random.is(0.1)) keepBusy(random.between(5, 40))
    if (random.is(0.5)) await sleep(random.between(0, 15))
    else await null
  }
  await Promise.all(all)
  for (const [at, limit] of limits.entries()) {
    expectWithin(starts[at], limit)
    expect(starts[at].length).toBe(limiters[at].stats().started)
    expect(starts[at].length).toBeGreaterThan(limit)
    expect(limiters[at].stats()).toMatchObject({ running: 0, waiting: 0, failed: 0 })
    await limiters[at].close()
  }
})

test('a function that takes long to start counts from when it has', async () => {
  const limiter = new Limiter({ maxConcurrent: 4, requestsPerSecond: 1 })
  const ends = []
  const starts = []
  const one = () => {
    starts.push(performance.now())
    keepBusy(50)
    ends.push(performance.now())
  }
  const throws = () => {
    one()
    throw new Error('and throws')
  }
  await Promise.allSettled([limiter.run(throws), limiter.run(one)])
  expect(starts[1] - ends[0]).toBeGreaterThanOrEqual(1_000)
  await limiter.close()
})

test('those who wait for the rate are next in their order of priority', async () => {
  const limiter = new Limiter({ maxConcurrent: 4, requestsPerSecond: 2 })
  const began = []
  const ask = (name, priority) => limiter.run(() => began.push(name), { priority })
  await Promise.all([
    ask('a', 0),
    ask('b', 0),
    ask('low', -1),
    ask('c', 0),
    ask('high', 1),
    ask('d', 0),
  ])
  expect(began).toEqual(['a', 'b', 'high', 'c', 'd', 'low'])
  await limiter.close()
})
