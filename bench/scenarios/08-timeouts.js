// @ts-check
'use strict'
// Everything is held, thousands wait, and the patience of all of them ends at the same time: how long after the first
// call the last one is told, and for how long the event loop is held up by it.

const { monitorEventLoopDelay } = require('node:perf_hooks')
const { setTimeout: pause } = require('node:timers/promises')
const { everyPool, fill } = require('../peers')

const SLOTS = 4
const PATIENCE_MS = 200

/** @param {import('../peers').PoolFace} pool @param {number} waiters */
async function giveUp(pool, waiters) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const errors = new Array(waiters)
  let served = 0
  let first = 0
  const begun = performance.now()
  const waiting = Array.from({ length: waiters }, (_, at) =>
    pool.acquire().then(
      () => served++,
      (error) => {
        if (first === 0) first = performance.now() - begun
        errors[at] = error
      },
    ),
  )
  const queued = performance.now() - begun
  // The calls themselves are the caller's own time; what comes after them is the pool's.
  await new Promise(setImmediate)
  delay.enable()
  await Promise.all(waiting)
  const value = performance.now() - begun
  // A delay is seen when it is over.
  await pause(5)
  delay.disable()
  if (served > 0) throw new Error(`${served} were served though everything was held.`)
  if (first < PATIENCE_MS - 2) throw new Error(`The first gave up after ${first.toFixed(1)} ms.`)
  const other = errors.find(
    (error) => !/time(d\s)?\s?out|within|within \d+ ms/i.test(error.message),
  )
  if (other !== undefined) throw new Error('Somebody was told something else.', { cause: other })
  return { value, queued, delay: delay.max / 1e6 }
}

/** @param {import('../peers').Open} open @param {number} waiters */
async function make(open, waiters) {
  const pool = await fill(await open({ max: SLOTS, acquireTimeoutMs: PATIENCE_MS }), SLOTS)
  const held = await Promise.all(Array.from({ length: SLOTS }, () => pool.acquire()))
  return {
    round: () => giveUp(pool, waiters),
    async close() {
      for (const one of held) await pool.release(one)
      await pool.close()
    },
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 8,
  title: 'waiters whose time runs out',
  unit: 'ms',
  reach: [
    { atMost: 250, sizes: [20_000] },
    { measure: 'delay', atMost: 20, sizes: [20_000] },
  ],
  sides:
    'All 4 slots are held; so many callers acquire in one turn, each with a timeout of 200 ms. The figure is the time ' +
    'from the first call to the last rejection; beside it how long the calls took, and the greatest delay of the event ' +
    'loop from then on. Every caller has to be told that its time ran out, and none before that. tarn and pg-pool ' +
    'search their line for each, so they sit out 50 000.',
  label: 'waiters',
  sizes: [1000, 20_000, 50_000],
  shortSizes: [20_000],
  rounds: { short: 1, full: 5 },
  measures: {
    queued: { title: 'calls', unit: 'ms' },
    delay: { title: 'event loop delay', unit: 'ms' },
  },
  isolated: true,
  contestants: everyPool(make, { tarn: 20_000, 'pg-pool': 20_000 }),
}

module.exports = { scenario }
