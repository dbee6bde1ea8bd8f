// @ts-check
'use strict'
// A long line is served: everything is held, so many callers queue up, and then each gives back at once what it gets.
// What a place in the line costs must not depend on how long the line is.

const { everyPool, fill } = require('../peers')

/** @typedef {import('../peers').PoolFace} PoolFace */

const SLOTS = 16

/** @param {PoolFace} pool @param {number} callers @returns {Promise<number>} ms */
async function serve(pool, callers) {
  const holders = await Promise.all(Array.from({ length: SLOTS }, () => pool.acquire()))
  const order = new Uint32Array(callers)
  let served = 0
  const begun = performance.now()
  const line = Array.from({ length: callers }, async (_, place) => {
    const held = await pool.acquire()
    order[served++] = place
    const released = pool.release(held)
    if (released !== undefined) await released
  })
  for (const held of holders) pool.release(held)
  await Promise.all(line)
  const took = performance.now() - begun
  const wrong = order.findIndex((place, at) => place !== at)
  if (wrong !== -1) throw new Error(`Caller ${order[wrong]} was served as number ${wrong}.`)
  return took
}

/** @param {import('../peers').Open} open @param {number} callers @param {import('.').Context} context */
async function make(open, callers, { full }) {
  const pool = await fill(await open({ max: SLOTS }), SLOTS)
  // A short line is over too soon for the clock.
  const lines = Math.max(1, Math.round((full ? 50_000 : 10_000) / callers))
  return {
    async round() {
      let took = 0
      for (let line = 0; line < lines; line++) took += await serve(pool, callers)
      return (took * 1e6) / (callers * lines)
    },
    close: () => pool.close(),
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 3,
  title: 'a line of queued acquires drained',
  unit: 'ns',
  reach: [{ ratio: 0.6 }, { growth: 0.1 }],
  sides:
    'All 16 slots are held; so many callers acquire; the slots are given back, and every caller gives back what it ' +
    'gets at once. The figure is for one caller, from joining the line to the end of its release. Callers must be served in ' +
    'the order in which they came. tarn and pg-pool search their line, so they sit out lines beyond 10 000; the others ' +
    'have no bound on their line (lightning-pool has one of 1 000 by default). Otherwise peers as in row 1.',
  label: 'callers',
  sizes: [1000, 10_000, 50_000, 100_000],
  shortSizes: [1000, 10_000, 50_000],
  rounds: { short: 2, full: 9 },
  isolated: true,
  contestants: everyPool(make, { tarn: 10_000, 'pg-pool': 10_000 }),
}

module.exports = { scenario }
