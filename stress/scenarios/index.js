// @ts-check
'use strict'
// All scenarios, in the order in which they are played.

/**
 * @typedef {object} Room what a scenario may use
 * @property {number} connections
 * @property {number} callers
 * @property {number} operations
 * @property {number} durationMs
 * @property {import('../random').Random} random
 */

/**
 * @typedef {object} Scenario
 * @property {string} name
 * @property {'basic' | 'advanced' | 'detect'} mode
 * @property {string} title
 * @property {string} shows what is done and what would be seen of a pool that cannot do it
 * @property {'execute' | 'hold'} [by] what its line is of: commands, or connections that are held; the default
 * @property {false} [timed] its times are not judged, for reasons that `shows` gives
 * @property {(room: Room) => import('../..').PoolOptions} pool
 * @property {object} [simulator]
 * @property {object[]} [faults]
 * @property {(work: import('../workload').Workload, room: Room) => Promise<void>} run
 */

/** @type {Scenario[]} */
const SCENARIOS = [
  ...require('./basic'),
  require('./monitored'),
  require('./herd'),
  require('./churn'),
  require('./bursty'),
  require('./contention'),
  require('./long'),
  require('./races'),
]

const MODES = /** @type {const} */ (['basic', 'advanced', 'detect', 'all'])

/** @param {string} mode */
function scenariosOf(mode) {
  return SCENARIOS.filter((scenario) => mode === 'all' || scenario.mode === mode)
}

module.exports = { MODES, SCENARIOS, scenariosOf }
