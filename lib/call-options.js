// @ts-check
'use strict'
// The options of one call, checked. Each method takes its own few.

const { contradiction, invalidOption, unknownOption } = require('./invalid-option')
const { didYouMean } = require('./nearest')
const { PoolError } = require('./pool-error')

/** The longest time that timers take, nearly 25 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/**
 * @typedef {object} CallOptions
 * @property {AbortSignal | undefined} signal
 * @property {number} timeoutMs -1: none
 * @property {number} endpoint index; -1: any
 * @property {boolean} rejectOnError
 * @property {boolean} raw
 */

/** @type {Readonly<CallOptions>} */
const NONE = Object.freeze({
  signal: undefined,
  timeoutMs: -1,
  endpoint: -1,
  rejectOnError: false,
  raw: false,
})

/** What each method takes. */
const METHODS = {
  execute: ['signal', 'timeoutMs', 'endpoint', 'rejectOnError', 'raw'],
  'connection.execute': ['signal', 'timeoutMs', 'rejectOnError', 'raw'],
  acquire: ['signal', 'timeoutMs', 'endpoint'],
  tryAcquire: ['endpoint'],
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} min
 */
function milliseconds(name, value, min) {
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= MAX_TIMEOUT_MS) {
    return Number(value)
  }
  const expected = `an integer from ${min} to ${MAX_TIMEOUT_MS} (milliseconds)`
  throw invalidOption(name, value, expected, { min, max: MAX_TIMEOUT_MS })
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function flag(name, value) {
  if (typeof value !== 'boolean') throw invalidOption(name, value, 'true or false')
  return value
}

/** @param {any} value of any realm, or a polyfill's */
function abortSignal(value) {
  const fits = typeof value === 'object' && value !== null && typeof value.aborted === 'boolean'
  if (!fits || typeof value.addEventListener !== 'function') {
    throw invalidOption('signal', value, 'an AbortSignal')
  }
  return value
}

/**
 * @param {unknown} value
 * @param {readonly string[]} names
 */
function endpointIndex(value, names) {
  const index = names.indexOf(/** @type {string} */ (value))
  if (index >= 0) return index
  const hint = typeof value === 'string' ? didYouMean(value, names) : ''
  const message = `This pool has no endpoint ${JSON.stringify(value)}.${hint}`
  const advice = `Its endpoints are: ${names.join(', ')}.`
  const details = { option: 'endpoint', value, values: [...names] }
  throw new PoolError({ code: 'ERR_POOL_INVALID_OPTION', message, advice, details })
}

/**
 * @param {unknown} given
 * @param {string} owner
 * @returns {Record<string, unknown>}
 */
function asRecord(given, owner) {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    return /** @type {Record<string, unknown>} */ (given)
  }
  throw invalidOption(`The options argument of ${owner}`, given, 'an object')
}

/**
 * @param {unknown} given
 * @param {keyof typeof METHODS} method
 * @param {readonly string[]} endpoints the names, in the order of their indices
 * @returns {Readonly<CallOptions>}
 * @throws {PoolError} ERR_POOL_INVALID_OPTION
 */
function readCallOptions(given, method, endpoints) {
  if (given === undefined) return NONE
  const owner = `${method}()`
  const record = asRecord(given, owner)
  const known = METHODS[method]
  for (const name of Object.keys(record)) {
    if (!known.includes(name)) throw unknownOption(name, owner, known)
  }
  const { signal, timeoutMs, endpoint, rejectOnError, raw } = record
  const options = {
    signal: signal === undefined ? undefined : abortSignal(signal),
    timeoutMs: timeoutMs === undefined ? -1 : milliseconds('timeoutMs', timeoutMs, 1),
    endpoint: endpoint === undefined ? -1 : endpointIndex(endpoint, endpoints),
    rejectOnError: rejectOnError === undefined ? false : flag('rejectOnError', rejectOnError),
    raw: raw === undefined ? false : flag('raw', raw),
  }
  if (options.raw && options.rejectOnError) {
    const message = 'raw leaves the reply unread, so rejectOnError cannot judge it; choose one.'
    throw contradiction(message, ['raw', 'rejectOnError'])
  }
  return options
}

/**
 * @param {unknown} given
 * @returns {{ timeoutMs: number, force: boolean }} timeoutMs -1: the pool's own
 * @throws {PoolError} ERR_POOL_INVALID_OPTION
 */
function readCloseOptions(given) {
  if (given === undefined) return { timeoutMs: -1, force: false }
  const record = asRecord(given, 'close()')
  for (const name of Object.keys(record)) {
    if (name !== 'timeoutMs' && name !== 'force') {
      throw unknownOption(name, 'close()', ['timeoutMs', 'force'])
    }
  }
  const { timeoutMs, force } = record
  return {
    timeoutMs: timeoutMs === undefined ? -1 : milliseconds('timeoutMs', timeoutMs, 0),
    force: force === undefined ? false : flag('force', force),
  }
}

module.exports = { readCallOptions, readCloseOptions }
