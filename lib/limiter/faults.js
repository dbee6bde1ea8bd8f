// @ts-check
'use strict'
// What a limiter's callers are told when there is no result: the pool's codes, in the words of runs and permits.

/** @typedef {import('../pool-error').Fault} Fault */

/**
 * How busy a limiter is.
 * @typedef {object} Figures
 * @property {number} maxConcurrent
 * @property {number} running
 * @property {number} waiting
 * @property {number} perSecond 0: no limit
 * @property {number} perMinute
 * @property {number} queueTimeoutMs
 * @property {number | null} maxWaiting
 */

/** @param {Figures} figures */
function busy({ maxConcurrent, running, waiting, perSecond, perMinute }) {
  const rates = []
  if (perSecond > 0) rates.push(`${perSecond} a second`)
  if (perMinute > 0) rates.push(`${perMinute} a minute`)
  const rate = rates.length > 0 ? `, at most ${rates.join(' and ')} may start` : ''
  return `${running} of at most ${maxConcurrent} at work, ${waiting} waiting${rate}`
}

/**
 * @param {number} limitMs
 * @param {string} option
 * @param {Figures} figures
 * @returns {Fault}
 */
function outOfPatience(limitMs, option, figures) {
  const { running, waiting } = figures
  return {
    code: 'ERR_POOL_ACQUIRE_TIMEOUT',
    message: `the run could not start within ${limitMs} ms (${option}): ${busy(figures)}`,
    advice: `Raise ${option}, maxConcurrent or the rate, or ask for less at a time.`,
    details: { limitMs, option, running, waiting },
  }
}

/**
 * A caller's own time is over before its run began.
 * @param {number} timeoutMs
 * @param {Figures} figures
 */
function waitTimeout(timeoutMs, figures) {
  return outOfPatience(timeoutMs, 'timeoutMs', figures)
}

/**
 * What native code refused a waiting run with.
 * @param {Fault} fault
 * @param {Figures} figures
 * @returns {Fault}
 */
function queueTimeout(fault, figures) {
  if (fault.code !== 'ERR_POOL_ACQUIRE_TIMEOUT') return fault
  return outOfPatience(figures.queueTimeoutMs, 'queueTimeoutMs', figures)
}

/**
 * A caller's own time is over while its run is at work.
 * @param {number} timeoutMs
 * @returns {Fault}
 */
function commandTimeout(timeoutMs) {
  return {
    code: 'ERR_POOL_COMMAND_TIMEOUT',
    message: `the run did not settle within ${timeoutMs} ms (timeoutMs)`,
    advice:
      'Its function goes on, with its permit, until it settles: let it heed its signal, or raise timeoutMs.',
    delivered: 'maybe',
    details: { limitMs: timeoutMs, option: 'timeoutMs' },
  }
}

/**
 * What native code refused a new run with.
 * @param {Fault} fault
 * @param {Figures} figures
 * @returns {Fault}
 */
function refusal(fault, figures) {
  if (fault.code !== 'ERR_POOL_QUEUE_FULL') return fault
  const { maxWaiting, waiting } = figures
  return {
    code: fault.code,
    message: `maxWaiting (${maxWaiting}) runs wait already: ${busy(figures)}`,
    advice: 'Ask more slowly, or raise maxWaiting, maxConcurrent or the rate.',
    details: { waiting },
  }
}

/** @param {string} message @returns {Fault} */
function cleared(message) {
  const advice =
    'Whoever cleared the limiter did not want it run; call run() again if that is over.'
  return { code: 'ERR_POOL_CLEARED', message, advice }
}

const NEW_LIMITER = 'Make a new Limiter.'

/** @type {Readonly<Record<'late' | 'waiting' | 'running', Fault>>} */
const closed = {
  late: { code: 'ERR_POOL_CLOSED', message: 'the limiter is closed', advice: NEW_LIMITER },
  waiting: {
    code: 'ERR_POOL_CLOSED',
    message: 'the limiter was closed while this run waited',
    advice: NEW_LIMITER,
  },
  running: {
    code: 'ERR_POOL_CLOSED',
    message: 'the limiter was closed, and this run did not settle in time',
    advice: 'Give close() a longer timeoutMs to let runs finish, or let them heed their signal.',
    delivered: 'maybe',
  },
}

module.exports = { cleared, closed, commandTimeout, queueTimeout, refusal, waitTimeout }
