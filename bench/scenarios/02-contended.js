// @ts-check
'use strict'
// Workers that want a slot of 16 over and over: what a pool costs when it hands from one to the next. Once the
// holder gives back at once, once it keeps its slot for a turn of the event loop.

const { everyPool, fill } = require('../peers')
const { quantile } = require('../run/statistics')

/** @typedef {import('../peers').PoolFace} PoolFace */

const SLOTS = 16

/** Counts who holds, and is wrong if they ever were more than there are slots. */
class Holders {
  #now = 0
  #most = 0

  enter() {
    if (++this.#now > this.#most) this.#most = this.#now
  }

  leave() {
    this.#now--
  }

  check() {
    if (this.#most > SLOTS) throw new Error(`${this.#most} held ${SLOTS} slots at the same time.`)
    if (this.#now !== 0) throw new Error(`${this.#now} still hold when all have given back.`)
  }
}

/**
 * @param {PoolFace} pool
 * @param {number} workers
 * @param {(pool: PoolFace, times: number, holders: Holders, first: number) => Promise<void>} work
 * @param {number} times of each worker
 * @returns {Promise<number>} ns for each time
 */
async function all(pool, workers, work, times) {
  const holders = new Holders()
  const begun = performance.now()
  const running = Array.from({ length: workers }, (_, at) => work(pool, times, holders, at * times))
  await Promise.all(running)
  const took = performance.now() - begun
  holders.check()
  return (took * 1e6) / (workers * times)
}

/** @type {Parameters<typeof all>[2]} */
async function inOneTurn(pool, times, holders) {
  for (let done = 0; done < times; done++) {
    const held = await pool.acquire()
    holders.enter()
    holders.leave()
    const released = pool.release(held)
    if (released !== undefined) await released
  }
}

/** @type {Parameters<typeof all>[2]} */
async function overTurns(pool, times, holders) {
  for (let done = 0; done < times; done++) {
    const held = await pool.acquire()
    holders.enter()
    await new Promise(setImmediate)
    holders.leave()
    const released = pool.release(held)
    if (released !== undefined) await released
  }
}

/** The same with a look at the clock. @param {boolean} turns @param {Float64Array} waited ms @returns {Parameters<typeof all>[2]} */
function timed(turns, waited) {
  return async (pool, times, holders, first) => {
    for (let done = 0; done < times; done++) {
      const begun = performance.now()
      const held = await pool.acquire()
      waited[first + done] = performance.now() - begun
      holders.enter()
      if (turns) await new Promise(setImmediate)
      holders.leave()
      const released = pool.release(held)
      if (released !== undefined) await released
    }
  }
}

/** @param {import('../peers').Open} open @param {number} workers @param {import('.').Context} context */
async function make(open, workers, { full }) {
  const pool = await fill(await open({ max: SLOTS }), SLOTS)
  const times = Math.round((full ? 64_000 : 16_000) / workers)
  const fewer = Math.round(times / 4)
  const waited = new Float64Array(fewer * workers)
  const p99 = async (/** @type {boolean} */ turns) => {
    await all(pool, workers, timed(turns, waited), fewer)
    return quantile(waited, 0.99) * 1000
  }
  return {
    async round() {
      return {
        value: await all(pool, workers, inOneTurn, times),
        p99: await p99(false),
        turns: await all(pool, workers, overTurns, fewer),
        turnsP99: await p99(true),
      }
    },
    close: () => pool.close(),
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 2,
  title: 'workers over 16 slots',
  unit: 'ns',
  reach: [{ ratio: 0.6 }, { measure: 'p99', atMost: 1000 }],
  sides:
    'Each worker acquires and releases in a loop; awaited is whatever gives a promise. The figure is for one acquire ' +
    'with its release, over all workers, of holders that give back at once; beside it of holders that keep their slot ' +
    'for one turn of the event loop, which that turn is most of. The p99 is of the wait for one acquire, in a pass of ' +
    'its own; where holders keep their slot it is the line that takes the time. Never may more than 16 hold. Peers as in row 1.',
  label: 'workers',
  sizes: [16, 64, 256],
  rounds: { short: 3, full: 11 },
  measures: {
    p99: { title: 'p99 of the wait', unit: 'us' },
    turns: { title: 'held for a turn', unit: 'ns' },
    turnsP99: { title: 'its p99', unit: 'us' },
  },
  isolated: true,
  contestants: everyPool(make),
}

module.exports = { scenario }
