'use strict'

// A factory that fails half the time and hangs one time in ten, callers who turn away at random, holders who
// give back, throw away or forget nothing: after every storm the capacity is whole again, and what was made and
// destroyed, counted outside the pool, is what the pool says.
//
// BLENDER_POOL_SEED=n runs another storm than the usual ones; BLENDER_POOL_ROUNDS=100000 more of them.

const { PoolError, ResourcePool } = require('..')
const { outcome, turn } = require('./support/arena')
const { Random } = require('./support/random')

const SEEDS = process.env.BLENDER_POOL_SEED ? [Number(process.env.BLENDER_POOL_SEED)] : [1, 2]
const ROUNDS = Number(process.env.BLENDER_POOL_ROUNDS ?? 10_000)
/** Between two looks at the whole. */
const STORM = 500
const CALLERS = 50
const MAX = 8

const REFUSALS = ['ERR_POOL_CONNECT', 'ERR_POOL_ENDPOINT_DOWN', 'ERR_POOL_ACQUIRE_TIMEOUT']
const ENOUGH = new Error('enough')

class Factory {
  made = 0
  destroyed = 0
  standing = new Set()
  held = 0
  most = 0
  strange = []
  tally = { failed: 0, hung: 0, given: 0, late: 0, clumsy: 0, turnedDown: 0 }
  calm = false

  constructor(random) {
    this.random = random
  }

  create = async (signal) => {
    if (this.calm) return this.#make()
    const luck = this.random.next()
    if (luck < 0.1) return this.#hang(signal)
    if (luck < 0.2) await turn()
    if (luck < 0.6) {
      this.tally.failed++
      throw new Error('no luck')
    }
    return this.#make()
  }

  /** Some hang for ever, some heed the signal, and some come up with something when it is too late. */
  async #hang(signal) {
    this.tally.hung++
    const manner = this.random.next()
    if (manner < 0.3) return new Promise(() => {})
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    if (!(signal.reason instanceof PoolError)) this.strange.push(signal.reason)
    if (manner < 0.6) throw signal.reason
    await turn()
    this.tally.late++
    return this.#make({ isLate: true })
  }

  #make({ isLate = false } = {}) {
    this.tally.given++
    const resource = { number: ++this.made, holder: null, isLate }
    this.standing.add(resource)
    return resource
  }

  validate = async (resource) => {
    if (resource.holder !== null) this.strange.push('checked while it was held')
    if (!this.calm && this.random.is(0.1)) {
      this.tally.turnedDown++
      return false
    }
    return true
  }

  destroy = (resource) => {
    if (!this.standing.delete(resource)) this.strange.push('destroyed twice')
    if (resource.holder !== null) this.strange.push('destroyed while it was held')
    this.destroyed++
    if (this.random.is(0.1)) {
      this.tally.clumsy++
      throw new Error('clumsy')
    }
    return this.random.is(0.5) ? turn() : undefined
  }
}

async function storms(seed) {
  const random = new Random(seed)
  const factory = new Factory(random)
  const { create, validate, destroy } = factory
  const pool = new ResourcePool({
    create,
    validate,
    destroy,
    maxConnections: MAX,
    maxConnecting: MAX,
    connectTimeoutMs: 10,
    connectRetryMs: 15,
    retryBackoffMs: 1,
    maxRetryBackoffMs: 1,
    healthCheckIntervalMs: 5,
    maxUses: 20,
  })
  const told = { granted: 0, refused: 0, aborted: 0 }

  const oneRound = async () => {
    const controller = new AbortController()
    const turnsAway = random.is(0.25)
    const acquired = outcome(pool.acquire({ signal: controller.signal }))
    if (turnsAway) {
      for (let left = random.between(0, 3); left > 0; left--) await turn()
      controller.abort(ENOUGH)
    }
    const { value: lease, error } = await acquired
    if (error !== undefined) {
      if (error === ENOUGH) told.aborted++
      else if (REFUSALS.includes(error.code)) told.refused++
      else factory.strange.push(error)
      return
    }
    told.granted++
    const { resource } = lease
    if (resource.holder !== null) factory.strange.push('held by two')
    if (resource.isLate) factory.strange.push('lent though it came too late')
    if (!factory.standing.has(resource)) factory.strange.push('lent though it was destroyed')
    resource.holder = lease
    factory.most = Math.max(factory.most, ++factory.held)
    if (random.is(0.5)) await turn()
    resource.holder = null
    factory.held--
    if (random.is(0.3)) await lease.discard()
    else await lease.release()
  }

  /** Everybody gets one, at the same time, and nobody one more. */
  const expectWhole = async () => {
    factory.calm = true
    const leases = await Promise.all(
      Array.from({ length: MAX }, async () => {
        for (;;) {
          const { value, error } = await outcome(pool.acquire())
          if (value !== undefined) return value
          if (!REFUSALS.includes(error.code)) throw error
        }
      }),
    )
    expect(new Set(leases.map(({ resource }) => resource)).size).toBe(MAX)
    expect(pool.tryAcquire()).toBe(null)
    expect(pool.stats()).toMatchObject({ total: MAX, inUse: MAX, waiting: 0, raceDetected: 0 })
    expect(factory.strange).toEqual([])
    for (const lease of leases) await lease.release()
    factory.calm = false
    await pool.checkHealth()
  }

  for (let round = 0; round < ROUNDS; round += STORM) {
    let left = STORM
    const caller = async () => {
      while (left-- > 0) await oneRound()
    }
    await Promise.all(Array.from({ length: CALLERS }, caller))
    await expectWhole()
  }
  const stats = pool.stats()
  expect(stats.acquired).toBe(stats.released)
  await pool.close()
  await turn()
  await turn()
  expect(factory.strange).toEqual([])
  expect([...factory.standing]).toEqual([])
  expect(factory.destroyed).toBe(factory.made)
  expect(pool.stats()).toMatchObject({ total: 0, waiting: 0, raceDetected: 0 })
  expect(factory.most).toBeLessThanOrEqual(MAX)
  return {
    ...told,
    ...factory.tally,
    made: factory.made,
    most: factory.most,
    created: stats.created,
  }
}

test.each(SEEDS)('after every storm the capacity is whole again (seed %i)', async (seed) => {
  const figures = await storms(seed)
  if (process.env.BLENDER_POOL_ROUNDS) console.log(JSON.stringify({ seed, ROUNDS, ...figures }))
  expect(figures.granted + figures.refused + figures.aborted).toBe(ROUNDS)
  for (const [what, count] of Object.entries(figures)) {
    expect([what, count]).toEqual([what, expect.any(Number)])
    expect([what, count > 0]).toEqual([what, true])
  }
}, 600_000)
