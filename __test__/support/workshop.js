'use strict'

// What a ResourcePool is made with in tests: functions that count, whatever the pool says of itself. After
// each test everything that was made is gone, and was destroyed once.

const { ResourcePool } = require('../..')
const { afterwards } = require('./stage')

/** A promise that the test settles. */
function deferred() {
  const parts = {}
  parts.promise = new Promise((resolve, reject) => {
    parts.resolve = resolve
    parts.reject = reject
  })
  return parts
}

class Workshop {
  /** What was made, in order, and what each destroy was given. */
  made = []
  destroyed = []
  /** What stands now, what is on its way out included, and the most that ever stood. */
  standing = 0
  most = 0
  signals = []
  #pools = []

  /** @param {{ make?: (signal: AbortSignal, number: number) => any, unmake?: (resource: any) => any }} [tricks] */
  constructor({ make = (_signal, number) => ({ number }), unmake = () => {} } = {}) {
    this.create = async (signal) => {
      const number = this.signals.push(signal)
      const resource = await make(signal, number)
      this.made.push(resource)
      this.most = Math.max(this.most, ++this.standing)
      return resource
    }
    this.destroy = async (resource) => {
      this.destroyed.push(resource)
      try {
        await unmake(resource)
      } finally {
        this.standing--
      }
    }
  }

  /** Closes its pools; then everything made was destroyed once, and nothing else. */
  async clear() {
    await Promise.all(this.#pools.map((pool) => pool.close({ force: true })))
    for (const pool of this.#pools) {
      expect(pool.stats()).toMatchObject({ total: 0, waiting: 0, inUse: 0, raceDetected: 0 })
    }
    const counts = new Map()
    for (const one of this.destroyed) counts.set(one, (counts.get(one) ?? 0) + 1)
    for (const one of this.made) counts.set(one, (counts.get(one) ?? 0) - 1)
    expect([...counts].filter(([, count]) => count !== 0)).toEqual([])
  }

  /** A pool over it. */
  open(options = {}) {
    const { create, destroy } = this
    const pool = new ResourcePool({
      create,
      destroy,
      maxConnections: 1,
      connectRetryMs: 0,
      retryBackoffMs: 1,
      maxRetryBackoffMs: 1,
      healthCheckIntervalMs: 0,
      ...options,
    })
    this.#pools.push(pool)
    return pool
  }
}

/** @param {ConstructorParameters<typeof Workshop>[0]} [tricks] */
function workshop(tricks) {
  const shop = new Workshop(tricks)
  afterwards(() => shop.clear())
  return shop
}

module.exports = { deferred, workshop }
