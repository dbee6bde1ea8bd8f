// @ts-check
'use strict'
// The options of this folder's functions: checked one by one against a table, as a pool's own are.

const { invalidOption, unknownOption } = require('../lib/invalid-option')

/** The longest time that timers take, nearly 25 days. */
const MAX_MS = 2 ** 31 - 1

/**
 * Takes what was given for an option and gives it back, or says what it must be.
 * @typedef {{ fits: (value: any) => boolean, expected: string, fallback?: any }} Setting
 */

/**
 * @param {number} min
 * @param {number} max
 * @param {number} [fallback] what stands where nothing was given
 * @returns {Setting}
 */
function integer(min, max, fallback) {
  return {
    fits: (value) => Number.isSafeInteger(value) && value >= min && value <= max,
    expected: `an integer from ${min} to ${max}`,
    fallback,
  }
}

/**
 * @param {number} min
 * @param {number} [fallback]
 */
const milliseconds = (min, fallback) => integer(min, MAX_MS, fallback)

/**
 * @param {boolean} fallback
 * @returns {Setting}
 */
const flag = (fallback) => ({
  fits: (value) => typeof value === 'boolean',
  expected: 'true or false',
  fallback,
})

/** @type {Setting} */
const text = {
  fits: (value) => typeof value === 'string' && value !== '',
  expected: 'a string that is not empty',
}

/** @type {Setting} */
const callback = { fits: (value) => typeof value === 'function', expected: 'a function' }

/** Of any realm. @type {Setting} */
const abortSignal = {
  fits: (value) =>
    typeof value?.aborted === 'boolean' && typeof value.addEventListener === 'function',
  expected: 'an AbortSignal',
}

/**
 * @param {(item: any) => boolean} fits
 * @param {string} expected
 * @param {readonly unknown[]} fallback
 * @returns {Setting}
 */
const listOf = (fits, expected, fallback) => ({
  fits: (value) => Array.isArray(value) && value.every(fits),
  expected,
  fallback,
})

/**
 * @param {string} name
 * @param {Setting} setting
 * @param {unknown} value
 */
function check(name, { fits, expected }, value) {
  if (!fits(value)) throw invalidOption(name, value, expected)
  return value
}

/**
 * @template {Record<string, Setting>} Table
 * @param {unknown} given
 * @param {string} owner what it was given to: "registerPool()"
 * @param {Table} table
 * @returns {{ [name in keyof Table]: any }}
 * @throws {import('../lib/pool-error').PoolError} ERR_POOL_INVALID_OPTION
 */
function readSettings(given, owner, table) {
  const record = given ?? {}
  if (typeof record !== 'object' || Array.isArray(record)) {
    throw invalidOption(`The options argument of ${owner}`, given, 'an object')
  }
  const names = Object.keys(table)
  for (const name of Object.keys(record)) {
    if (!names.includes(name)) throw unknownOption(name, owner, names)
  }
  const entries = names.map((name) => {
    const value = /** @type {Record<string, unknown>} */ (record)[name]
    const { fallback } = table[name]
    return [name, value === undefined ? fallback : check(name, table[name], value)]
  })
  return /** @type {any} */ (Object.fromEntries(entries))
}

module.exports = {
  MAX_MS,
  abortSignal,
  callback,
  check,
  flag,
  integer,
  listOf,
  milliseconds,
  readSettings,
  text,
}
