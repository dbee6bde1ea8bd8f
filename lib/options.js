// @ts-check
'use strict'
// A pool's options: checked against the option table, row by row.
// What an address may look like, and which are loopback, native code decides.

const { readEndpoints } = require('./endpoints')
const { contradiction, invalidOption, unknownOption } = require('./invalid-option')
const { optionsOf } = require('./tables')

/** @typedef {import('./tables').OptionRow} OptionRow */

/** Pairs of which the first may not be above the second. */
const ORDERED = [
  ['minConnections', 'maxConnections'],
  ['retryBackoffMs', 'maxRetryBackoffMs'],
]

/** Whose option it would be, in a sentence. */
const OWNERS = { ConnectionPool: 'The pool', ResourcePool: 'A ResourcePool', Limiter: 'A Limiter' }

const EXAMPLES = {
  ConnectionPool: '{ maxConnections: 3 }',
  ResourcePool: '{ create: async () => … }',
  Limiter: '{ maxConcurrent: 3 }',
}

/** @param {OptionRow} row */
function integerRange({ min, max }) {
  if (min == null) return max == null ? 'an integer' : `an integer of at most ${max}`
  return max == null ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`
}

/**
 * What each kind of option accepts; gives back the value to send.
 * @type {Record<OptionRow['kind'], (row: OptionRow, value: any) => unknown>}
 */
const KINDS = {
  integer(row, value) {
    const { min, max } = row
    const fits = Number.isSafeInteger(value) && value >= (min ?? value) && value <= (max ?? value)
    if (!fits) throw invalidOption(row.name, value, integerRange(row), { min, max })
    return value
  },
  boolean(row, value) {
    if (typeof value !== 'boolean') throw invalidOption(row.name, value, 'true or false')
    return value
  },
  string(row, value) {
    if (typeof value !== 'string' || value === '') {
      throw invalidOption(row.name, value, 'a string that is not empty')
    }
    return value
  },
  enum(row, value) {
    const values = row.values ?? []
    if (!values.includes(value)) {
      const expected = `one of ${values.map((word) => `'${word}'`).join(', ')}`
      throw invalidOption(row.name, value, expected, { values })
    }
    return value
  },
  endpoints(_row, value) {
    return readEndpoints(value)
  },
  function(row, value) {
    if (typeof value !== 'function') throw invalidOption(row.name, value, 'a function')
    return true
  },
}

/**
 * Checks what a pool was given.
 * @param {import('./tables').Owner} owner the class of the pool
 * @param {unknown} given
 * @returns {{ values: Record<string, any>, changed: Record<string, unknown>, functions: Record<string, any> }}
 *   every option as native code takes it (of a function, whether there is one), those of the caller's
 *   that are not the default, and the functions
 * @throws {import('./pool-error').PoolError} ERR_POOL_INVALID_OPTION
 */
function readOptions(owner, given = {}) {
  const table = optionsOf(owner)
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidOption('options', given, `an object, such as ${EXAMPLES[owner]}`)
  }
  for (const name of Object.keys(given)) {
    if (!table.has(name)) throw unknownOption(name, OWNERS[owner], table.keys())
  }
  const record = /** @type {Record<string, unknown>} */ (given)
  /** @type {Record<string, any>} */
  const values = {}
  /** @type {Record<string, unknown>} */
  const changed = {}
  /** @type {Record<string, any>} */
  const functions = {}
  for (const row of table.values()) {
    const value = record[row.name]
    // null says "the dialect's own" where that is the default, and is a mistake anywhere else.
    const isDefault = value === undefined || (value === null && row.default === null)
    if (!isDefault && value !== row.default) changed[row.name] = value
    if (!isDefault || row.kind === 'endpoints') values[row.name] = KINDS[row.kind](row, value)
    else values[row.name] = row.default
    if (!isDefault && row.kind === 'function') functions[row.name] = value
  }
  for (const [low, high] of ORDERED) {
    if (values[low] != null && values[high] != null && values[low] > values[high]) {
      const message = `${low} (${values[low]}) is above ${high} (${values[high]}).`
      throw contradiction(message, [low, high])
    }
  }
  return { values, changed, functions }
}

module.exports = { readOptions }
