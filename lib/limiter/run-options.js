// @ts-check
'use strict'
// The options of a limiter's run, checked.

const { contradiction } = require('../invalid-option')
const { abortSignal, integer, key, milliseconds, record } = require('../option-value')

const MAX_PRIORITY = 100
const NAMES = ['signal', 'key', 'priority', 'timeoutMs', 'cacheTtlMs']

/**
 * @typedef {object} RunCall
 * @property {AbortSignal | undefined} signal
 * @property {string | null} key null: shared with nobody
 * @property {number} priority higher first
 * @property {number} timeoutMs -1: none
 * @property {number} cacheTtlMs 0: the result is not kept
 */

/** @type {Readonly<RunCall>} */
const NONE = Object.freeze({
  signal: undefined,
  key: null,
  priority: 0,
  timeoutMs: -1,
  cacheTtlMs: 0,
})

/**
 * @param {unknown} given
 * @returns {Readonly<RunCall>}
 * @throws {import('../pool-error').PoolError} ERR_POOL_INVALID_OPTION
 */
function readRunOptions(given) {
  if (given === undefined) return NONE
  const options = record(given, 'run', NAMES)
  const { signal, priority, timeoutMs, cacheTtlMs } = options
  const call = {
    signal: signal === undefined ? undefined : abortSignal(signal),
    key: options.key === undefined ? null : key(options.key, 'key'),
    priority:
      priority === undefined ? 0 : integer('priority', priority, -MAX_PRIORITY, MAX_PRIORITY),
    timeoutMs: timeoutMs === undefined ? -1 : milliseconds('timeoutMs', timeoutMs, 1),
    cacheTtlMs: cacheTtlMs === undefined ? 0 : milliseconds('cacheTtlMs', cacheTtlMs, 0),
  }
  if (call.cacheTtlMs > 0 && call.key === null) {
    throw contradiction('cacheTtlMs needs a key: results are kept by it.', ['cacheTtlMs', 'key'])
  }
  return call
}

module.exports = { NONE, readRunOptions }
