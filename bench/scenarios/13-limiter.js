// @ts-check
'use strict'
// A limiter around work that is nothing: what it costs to be let through, with a limit of what runs at the same time,
// and with a rate as well that is never reached.

const { setTimeout: pause } = require('node:timers/promises')
const { asyncSema, blenderPool, bottleneck, pLimit, pQueue } = require('../peers/limiters')

/** @typedef {import('../peers/limiters').LimiterFace} LimiterFace */
/** @typedef {import('../peers/limiters').OpenLimiter} OpenLimiter */

const LIMIT = 16
/** The most a Limiter takes. Nobody gets there: see `Allowance`. */
const PER_SECOND = 100_000

const nothing = async () => {}

/** Has runs wait beforehand that would reach the rate, so that they do not wait while they are measured. */
class Allowance {
  #left = PER_SECOND

  /** @param {number} times */
  async take(times) {
    this.#left -= times
    if (this.#left > 0) return
    await pause(1100)
    this.#left = PER_SECOND - times
  }
}

/**
 * @param {LimiterFace} limiter
 * @param {number} callers who each run nothing, one after the other
 * @param {number} times
 * @returns {Promise<number>} ns for each run
 */
async function runs(limiter, callers, times) {
  const each = Math.ceil(times / callers)
  const begun = performance.now()
  const caller = async () => {
    for (let done = 0; done < each; done++) await limiter.run(nothing)
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return ((performance.now() - begun) * 1e6) / (callers * each)
}

/** That it lets through all, and no more than it may at a time. @param {LimiterFace} limiter */
async function check(limiter) {
  let running = 0
  let most = 0
  let ended = 0
  const work = async () => {
    most = Math.max(most, ++running)
    await new Promise(setImmediate)
    running--
    ended++
  }
  await Promise.all(Array.from({ length: 10 * LIMIT }, () => limiter.run(work)))
  if (ended === 10 * LIMIT && most <= LIMIT) return limiter
  throw new Error(
    `${ended} of ${10 * LIMIT} ended, ${most} ran at the same time with a limit of ${LIMIT}.`,
  )
}

/**
 * @param {string} name
 * @param {OpenLimiter} open
 * @param {{ rate?: boolean, share?: number }} [how] whether it has a rate; what part of the runs it has time for
 * @returns {import('.').Contestant}
 */
function contestant(name, open, { rate = true, share = 1 } = {}) {
  return {
    name,
    async make(callers, { full }) {
      const times = (full ? 50_000 : 6_000) * share
      const allowance = new Allowance()
      const limited = await check(await open({ limit: LIMIT }))
      const rated = rate ? await check(await open({ limit: LIMIT, perSecond: PER_SECOND })) : null
      return {
        /** @returns {Promise<import('.').Measured>} */
        async round() {
          const value = await runs(limited, callers, times)
          if (rated === null) return { value }
          await allowance.take(times)
          return { value, rated: await runs(rated, callers, times) }
        },
        async close() {
          await limited.close?.()
          await rated?.close?.()
        },
      }
    },
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 13,
  title: 'a limiter around nothing',
  unit: 'ns',
  reach: [{ measure: 'rated', ratio: 0.5, versus: 'p-queue' }],
  sides:
    'Callers run an async function that does nothing, each one after the other, 16 at a time at most; awaited. The ' +
    'figure is for one run with that limit alone; beside it with a rate as well, so high that it never holds anybody ' +
    'up: requestsPerSecond of a Limiter, a window that slides; interval and intervalCap of p-queue, a window that ' +
    'stands; RateLimit beside Sema of async-sema; the reservoir of bottleneck. p-limit has none. What is to be reached is ' +
    'in comparison with p-queue, which has both in one.',
  label: 'callers',
  sizes: [1, 100],
  rounds: { short: 3, full: 11 },
  measures: { rated: { title: 'with a rate', unit: 'ns' } },
  isolated: true,
  contestants: [
    contestant('blender-pool', blenderPool),
    contestant('p-queue', pQueue),
    contestant('p-limit', pLimit, { rate: false }),
    contestant('async-sema', asyncSema),
    // It sets a timer for each run, of a millisecond at least.
    contestant('bottleneck', bottleneck, { share: 0.004 }),
  ],
}

module.exports = { scenario }
