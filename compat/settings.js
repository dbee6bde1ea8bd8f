// @ts-check
'use strict'
// The old pool's configuration in the new pool's words. It threw for no value, so none throws here: what
// cannot be meant is brought to the nearest thing that can, and an unknown name is told of, once.

const { MAX_TIMEOUT_MS } = require('./environment')
const { tellUnknown } = require('./unknown-setting')

/** What the old pool had, and has still when nothing is said. @type {Readonly<Record<string, number>>} */
const DEFAULTS = Object.freeze({
  minConnections: 1,
  maxConnections: 5,
  connectionTimeout: 30_000,
  idleTimeout: 60_000,
  maxRequestsPerConnection: 1_000,
  healthCheckInterval: 30_000,
  mutexTimeout: 30_000,
})

const MAX_CONNECTIONS = 1_024
const MAX_USES = 2 ** 32 - 1

/**
 * @param {number} value
 * @param {number} min
 * @param {number} max
 */
const whole = (value, min, max) => Math.min(Math.max(Math.ceil(value), min), max)

/** @param {number} value 0 or less: at once; Infinity: never, which timers cannot say but by the longest time */
const timeout = (value) => whole(value, 1, MAX_TIMEOUT_MS)

/**
 * @param {unknown} [config]
 * @returns {{ places: number, waitMs: number, options: Record<string, number> }} how many may be in at a
 *   time, how long the next one waits, and the options of the pool below
 */
function readConfig(config) {
  const given = /** @type {Record<string, unknown>} */ (Object(config ?? {}))
  tellUnknown(given, Object.keys(DEFAULTS))
  /** @param {string} name @returns {number} */
  const of = (name) => {
    const value = given[name] == null ? Number.NaN : Number(given[name])
    return Number.isNaN(value) ? DEFAULTS[name] : value
  }
  const places = whole(of('maxConnections'), 1, MAX_CONNECTIONS)
  const idle = of('idleTimeout')
  const interval = of('healthCheckInterval')
  return {
    places,
    waitMs: timeout(of('connectionTimeout')),
    options: {
      minConnections: whole(of('minConnections'), 0, places),
      maxConnections: places,
      maxUses: whole(of('maxRequestsPerConnection'), 1, MAX_USES),
      // For the pool below, 0 is never.
      idleTimeoutMs: idle === Infinity ? 0 : timeout(idle),
      healthCheckIntervalMs: interval > 0 && interval < Infinity ? timeout(interval) : 0,
    },
  }
}

module.exports = { DEFAULTS, readConfig }
