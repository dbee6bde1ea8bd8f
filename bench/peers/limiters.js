// @ts-check
'use strict'
// Limiters behind one face: a function that runs work when it may. Each with a limit of what runs at the same time,
// and with a rate as well where it has one.

const { Limiter } = require('../..')

/**
 * @typedef {object} LimiterFace
 * @property {(work: () => Promise<void>) => Promise<unknown>} run
 * @property {() => unknown} [close]
 *
 * @typedef {object} Limits
 * @property {number} limit
 * @property {number} [perSecond]
 *
 * @typedef {(limits: Limits) => Promise<LimiterFace>} OpenLimiter
 */

/** @type {OpenLimiter} */
async function blenderPool({ limit, perSecond }) {
  const limiter = new Limiter({ maxConcurrent: limit, requestsPerSecond: perSecond })
  return { run: (work) => limiter.run(work), close: () => limiter.close() }
}

/** Its window stands still, which is cheaper than the sliding one that it calls strict. @type {OpenLimiter} */
async function pQueue({ limit, perSecond }) {
  const { default: PQueue } = await import('p-queue')
  const rate = perSecond === undefined ? {} : { interval: 1000, intervalCap: perSecond }
  const queue = new PQueue({ concurrency: limit, ...rate })
  return { run: (work) => queue.add(work) }
}

/** It has no rate. @type {OpenLimiter} */
async function pLimit({ limit }) {
  const { default: limited } = await import('p-limit')
  const run = limited(limit)
  return { run: (work) => run(work) }
}

/** @type {OpenLimiter} */
async function asyncSema({ limit, perSecond }) {
  const { RateLimit, Sema } = require('async-sema')
  const sema = new Sema(limit, { capacity: 128 })
  const rate = perSecond === undefined ? null : RateLimit(perSecond)
  return {
    run: async (work) => {
      await sema.acquire()
      try {
        if (rate !== null) await rate()
        return await work()
      } finally {
        sema.release()
      }
    },
  }
}

/** Its rate is a reservoir that is filled again each second. @type {OpenLimiter} */
async function bottleneck({ limit, perSecond }) {
  const { default: Bottleneck } = await import('bottleneck')
  const rate =
    perSecond === undefined
      ? {}
      : {
          reservoir: perSecond,
          reservoirRefreshAmount: perSecond,
          reservoirRefreshInterval: 1000,
        }
  const limiter = new Bottleneck({ maxConcurrent: limit, ...rate })
  return {
    run: (work) => limiter.schedule(work),
    close: () => limiter.stop().then(() => limiter.disconnect()),
  }
}

module.exports = { asyncSema, blenderPool, bottleneck, pLimit, pQueue }
