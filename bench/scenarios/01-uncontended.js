// @ts-check
'use strict'
// An acquire and its release, one after the other, nobody else wanting anything: what a pool costs when it is free.

const { everyPool, fill } = require('../peers')
const { quantile } = require('../run/statistics')

/** @typedef {import('../peers').PoolFace} PoolFace */

/** @param {PoolFace} pool @param {number} count */
async function oneAfterTheOther(pool, count) {
  for (let done = 0; done < count; done++) {
    const held = await pool.acquire()
    const released = pool.release(held)
    if (released !== undefined) await released
  }
}

/** @param {PoolFace} pool @param {Float64Array} took of each acquire and release, ms */
async function oneByOneTimed(pool, took) {
  for (let done = 0; done < took.length; done++) {
    const begun = performance.now()
    const held = await pool.acquire()
    const released = pool.release(held)
    if (released !== undefined) await released
    took[done] = performance.now() - begun
  }
}

/** @param {import('../peers').Open} open @param {number} size @param {import('.').Context} context */
async function make(open, size, { full }) {
  const pool = await fill(await open({ max: size }), size)
  const count = full ? 200_000 : 30_000
  const took = new Float64Array(count / 5)
  return {
    async round() {
      const begun = performance.now()
      await oneAfterTheOther(pool, count)
      const value = ((performance.now() - begun) * 1e6) / count
      await oneByOneTimed(pool, took)
      return { value, p99: quantile(took, 0.99) * 1000 }
    },
    close: () => pool.close(),
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 1,
  title: 'acquire and release, uncontended',
  unit: 'ns',
  reach: [{ ratio: 0.3 }, { measure: 'p99', atMost: 1000 }],
  sides:
    'One caller acquires and releases, one after the other, everything open and idle. Awaited is whatever gives a ' +
    'promise: both calls of blender-pool and of generic-pool, only the acquire of the others, whose release is ' +
    'synchronous (of lightning-pool that is the faster of its two). blender-pool is a ConnectionPool with real ' +
    'connections to the simulator; beside it a ResourcePool, which like the peers lends plain objects. The p99 is of ' +
    'single pairs, in a pass of its own that looks at the clock before and after each.',
  label: 'slots',
  sizes: [4, 16, 100],
  rounds: { short: 3, full: 11 },
  measures: { p99: { title: 'p99 of one', unit: 'us' } },
  isolated: true,
  contestants: everyPool(make),
}

module.exports = { scenario }
