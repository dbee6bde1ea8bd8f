// @ts-check
'use strict'
// The options of what a pool is ordered to do as a whole: close, clear, resize.

const { contradiction } = require('./invalid-option')
const { endpointIndex, flag, integer, milliseconds, record } = require('./option-value')
const { options: table } = require('./tables')

/**
 * @param {unknown} given
 * @returns {{ timeoutMs: number, force: boolean }} timeoutMs -1: the pool's or limiter's own
 * @throws {import('./pool-error').PoolError} ERR_POOL_INVALID_OPTION
 */
function readCloseOptions(given) {
  if (given === undefined) return { timeoutMs: -1, force: false }
  const { timeoutMs, force } = record(given, 'close', ['timeoutMs', 'force'])
  return {
    timeoutMs: timeoutMs === undefined ? -1 : milliseconds('timeoutMs', timeoutMs, 0),
    force: force === undefined ? false : flag('force', force),
  }
}

/**
 * @param {unknown} given
 * @param {readonly string[] | null} endpoints the names, in the order of their indices; null: nobody may choose
 * @returns {{ endpoint: number, interruptInUse: boolean }} endpoint -1: all
 * @throws {import('./pool-error').PoolError} ERR_POOL_INVALID_OPTION
 */
function readClearOptions(given, endpoints) {
  if (given === undefined) return { endpoint: -1, interruptInUse: false }
  const known = endpoints === null ? ['interruptInUse'] : ['endpoint', 'interruptInUse']
  const { endpoint, interruptInUse } = record(given, 'clear', known)
  return {
    endpoint: endpoint === undefined ? -1 : endpointIndex(endpoint, endpoints ?? []),
    interruptInUse: interruptInUse === undefined ? false : flag('interruptInUse', interruptInUse),
  }
}

/**
 * A limit, in the range that its pool option has; -1: as it is.
 * @param {string} name
 * @param {unknown} value
 */
function limit(name, value) {
  if (value === undefined) return -1
  const row = table.get(name)
  return integer(name, value, row?.min ?? 0, row?.max ?? Number.MAX_SAFE_INTEGER)
}

/**
 * @param {unknown} given
 * @returns {{ min: number, max: number }} -1: as it is
 * @throws {import('./pool-error').PoolError} ERR_POOL_INVALID_OPTION
 */
function readSize(given) {
  const { minConnections, maxConnections } = record(given, 'resize', [
    'minConnections',
    'maxConnections',
  ])
  const min = limit('minConnections', minConnections)
  const max = limit('maxConnections', maxConnections)
  if (min >= 0 && max >= 0 && min > max) {
    const message = `minConnections (${min}) is above maxConnections (${max}).`
    throw contradiction(message, ['minConnections', 'maxConnections'])
  }
  return { min, max }
}

module.exports = { readClearOptions, readCloseOptions, readSize }
