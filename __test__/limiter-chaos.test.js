'use strict'
// Everything that can be asked of a Limiter, at any moment, by anybody, also by what it runs. Whatever comes of each
// call comes once; never more run than may; the figures are those that were counted outside; no permit is lost.
//
// BLENDER_POOL_SEED=n runs another storm than the usual ones.

const { getEventListeners } = require('node:events')
const { Limiter, PoolError } = require('..')
const { Random } = require('./support/random')

const STEPS = 3_000
const SEEDS = process.env.BLENDER_POOL_SEED ? [Number(process.env.BLENDER_POOL_SEED)] : [1, 2, 3, 4]
const ENOUGH = new Error('enough')
const FAILED = new Error('failed')

/** How often, over all storms. */
const happened = {}

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** What a caller may be told by the limiter itself. */
const CODES = [
  'ERR_POOL_ACQUIRE_TIMEOUT',
  'ERR_POOL_COMMAND_TIMEOUT',
  'ERR_POOL_QUEUE_FULL',
  'ERR_POOL_CLEARED',
  'ERR_POOL_CLOSED',
]

class Storm {
  calls = 0
  told = []
  outcomes = { value: 0, failed: 0, enough: 0 }
  started = 0
  settled = 0
  running = 0
  most = 0
  signals = []
  /** Calls whose signal had aborted before they came. */
  aborted = 0
  strange = []

  constructor(seed, options) {
    this.random = new Random(seed)
    this.max = this.random.between(1, 8)
    this.limiter = new Limiter({
      maxConcurrent: this.max,
      maxWaiting: 60,
      queueTimeoutMs: 40,
      maxCached: 3,
      ...options,
    })
    for (const code of CODES) this.outcomes[code] = 0
  }

  /** A function of any sort, counted as it starts and as it settles. */
  work(depth = 0) {
    const { random } = this
    const kind = random.between(0, 8)
    const begin = () => {
      this.started++
      this.most = Math.max(this.most, ++this.running)
    }
    const end = () => {
      this.running--
      this.settled++
    }
    const wait = (signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, random.between(0, 25))
        if (kind < 7) {
          signal.addEventListener('abort', () => {
            clearTimeout(timer)
            // Some take their time even so.
            if (random.is(0.5)) setImmediate(resolve)
            else resolve()
          })
        }
      })
    if (kind === 0) {
      return () => {
        begin()
        end()
        return 'value'
      }
    }
    if (kind === 1) {
      return () => {
        begin()
        end()
        throw FAILED
      }
    }
    if (kind === 2) {
      return async () => {
        begin()
        if (depth < 3) this.call(depth + 1)
        if (random.is(0.05)) this.clear()
        await null
        end()
        return 'value'
      }
    }
    return async (signal) => {
      begin()
      await wait(signal)
      end()
      if (signal.aborted && random.is(0.5)) throw signal.reason
      if (kind === 3) throw FAILED
      return 'value'
    }
  }

  call(depth = 0) {
    const { random } = this
    this.calls++
    const options = {}
    if (random.is(0.4)) {
      options.key = `k${random.between(0, 4)}`
      if (random.is(0.3)) options.cacheTtlMs = random.between(0, 30)
    }
    if (random.is(0.3)) options.priority = random.between(-2, 2)
    if (random.is(0.3)) options.timeoutMs = random.between(1, 40)
    if (random.is(0.5)) {
      const controller = new AbortController()
      options.signal = controller.signal
      this.signals.push(controller.signal)
      if (random.is(0.1)) {
        controller.abort(ENOUGH)
        this.aborted++
      } else if (random.is(0.2)) queueMicrotask(() => controller.abort(ENOUGH))
      else if (random.is(0.7)) setTimeout(() => controller.abort(ENOUGH), random.between(0, 40))
      if (random.is(0.01)) setImmediate(() => controller.abort(ENOUGH))
    }
    const run = this.limiter.run(this.work(depth), options)
    this.told.push(
      run.then(
        (value) => this.tell(value),
        (error) => {
          if (error === ENOUGH) this.tell('enough')
          else if (error === FAILED) this.tell('failed')
          else if (error instanceof PoolError) this.tell(error.code)
          else this.strange.push(error)
        },
      ),
    )
  }

  tell(outcome) {
    if (outcome in this.outcomes) this.outcomes[outcome]++
    else this.strange.push(outcome)
  }

  clear() {
    this.limiter.clear('the storm')
  }

  check() {
    const stats = this.limiter.stats()
    expect(stats.running).toBe(stats.started - stats.succeeded - stats.failed)
    expect(stats.running).toBeLessThanOrEqual(this.max)
    expect(stats.abandoned).toBeLessThanOrEqual(stats.running)
    expect(stats.started).toBe(this.started)
    expect(stats.cached).toBeLessThanOrEqual(3)
    return stats
  }

  async blow() {
    // However slow the machine: so many at once are too many to wait.
    for (let one = 0; one < 200; one++) this.call()
    for (let step = 0; step < STEPS; step++) {
      const burst = this.random.is(0.02) ? 30 : 1
      for (let one = 0; one < burst; one++) this.call()
      if (this.random.is(0.01)) this.clear()
      await this.random.of([turn, () => null, () => null])()
      if (step % 50 === 0) this.check()
    }
  }

  async calm() {
    // What is at work may call again, though nobody waits for it any more.
    while (this.told.length > 0 || this.limiter.stats().running > 0) {
      await Promise.all(this.told.splice(0))
      await turn()
    }
  }
}

test.each(SEEDS)('a storm (seed %i) leaves everything in order', async (seed) => {
  const storm = new Storm(seed, seed % 2 === 0 ? { requestsPerSecond: 400 } : {})
  const { limiter, outcomes, max } = storm
  await storm.blow()
  await storm.calm()

  const stats = storm.check()
  expect(storm.strange).toEqual([])
  expect(storm.most).toBe(max)
  expect(storm.settled).toBe(storm.started)
  expect(stats).toMatchObject({ running: 0, waiting: 0, abandoned: 0 })
  const told = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
  expect(told).toBe(storm.calls)
  expect(stats.timeouts).toBe(outcomes.ERR_POOL_ACQUIRE_TIMEOUT + outcomes.ERR_POOL_COMMAND_TIMEOUT)
  expect(stats.cleared).toBe(outcomes.ERR_POOL_CLEARED)
  expect(outcomes.ERR_POOL_CLOSED).toBe(0)
  expect(stats.aborted).toBe(outcomes.enough - storm.aborted)
  for (const [name, count] of Object.entries({ ...outcomes, ...stats })) {
    if (Number.isInteger(count)) happened[name] = (happened[name] ?? 0) + count
  }
  for (const signal of storm.signals) expect(getEventListeners(signal, 'abort')).toEqual([])

  // Every permit is there, once the rate lets so many start: as many as may run at the same time.
  while ((limiter.stats().rate.remainingPerSecond ?? max) < max) await turn()
  let open
  const gate = new Promise((resolve) => {
    open = resolve
  })
  const whole = Array.from({ length: max }, () => limiter.run(() => gate))
  while (limiter.stats().running < max) await turn()
  open()
  await Promise.all(whole)
  expect(await limiter.close()).toMatchObject({ cut: 0, failedWaiters: 0 })
})

test.each(
  SEEDS,
)('a storm (seed %i) that close() ends in the middle tells everybody', async (seed) => {
  const storm = new Storm(seed, { queueTimeoutMs: 10_000 })
  for (let one = 0; one < 200; one++) storm.call()
  await turn()
  const closing = storm.limiter.close({ timeoutMs: storm.random.between(0, 10) })
  for (let one = 0; one < 50; one++) storm.call()
  const report = await closing
  expect(storm.limiter.state).toBe('closed')
  await storm.calm()
  expect(storm.strange).toEqual([])
  const told = Object.values(storm.outcomes).reduce((sum, count) => sum + count, 0)
  expect(told).toBe(storm.calls)
  expect(storm.outcomes.ERR_POOL_CLOSED).toBeGreaterThanOrEqual(report.failedWaiters + 1)
  expect(report.cut).toBeLessThanOrEqual(storm.max)
  expect(storm.settled).toBe(storm.started)
})

const testOfAll = SEEDS.length > 1 ? test : test.skip
testOfAll('all of it happened in one storm or another', () => {
  const names = ['value', 'failed', 'enough', ...CODES.slice(0, 4), 'joined', 'cacheHits']
  for (const name of names) expect([name, happened[name] > 0]).toEqual([name, true])
})
