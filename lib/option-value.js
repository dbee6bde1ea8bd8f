// @ts-check
'use strict'
// The value of one option that a method takes, checked: each function gives it back or refuses it by name.

const { invalidOption, unknownOption } = require('./invalid-option')
const { didYouMean } = require('./nearest')
const { PoolError } = require('./pool-error')

/** The longest time that timers take, nearly 25 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
const MAX_KEY_LENGTH = 512

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} min
 * @param {number} max
 * @param {string} [unit]
 */
function integer(name, value, min, max, unit = '') {
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= max) return Number(value)
  throw invalidOption(name, value, `an integer from ${min} to ${max}${unit}`, { min, max })
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} min
 */
function milliseconds(name, value, min) {
  return integer(name, value, min, MAX_TIMEOUT_MS, ' (milliseconds)')
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
  const fits =
    typeof value === 'object' &&
    value !== null &&
    typeof value.aborted === 'boolean' &&
    typeof value.addEventListener === 'function' &&
    typeof value.removeEventListener === 'function'
  if (!fits) throw invalidOption('signal', value, 'an AbortSignal')
  return value
}

/**
 * @param {unknown} value
 * @param {string} name the option's
 * @returns {string} a number and its digits are the same key
 */
function key(value, name) {
  if (Number.isSafeInteger(value)) return String(value)
  if (typeof value === 'string' && value !== '' && value.length <= MAX_KEY_LENGTH) return value
  const expected = `a string of 1 to ${MAX_KEY_LENGTH} characters or a safe integer`
  throw invalidOption(name, value, expected)
}

/**
 * @param {unknown} value
 * @param {readonly string[]} names in the order of their indices
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
 * The options of a method, by name; refused when one of them is not known.
 * @param {unknown} given
 * @param {string} method
 * @param {readonly string[]} known
 * @returns {Record<string, unknown>}
 */
function record(given, method, known) {
  const owner = `${method}()`
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidOption(`The options argument of ${owner}`, given, 'an object')
  }
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw unknownOption(name, owner, known)
  }
  return /** @type {Record<string, unknown>} */ (given)
}

module.exports = { abortSignal, endpointIndex, flag, integer, key, milliseconds, record }
