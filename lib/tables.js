// @ts-check
'use strict'
// The tables that Rust and JavaScript share: options, error codes, dialects and events, each with one row a thing.
// They are written down in Rust and only read here.

const { tables } = require('./binding')

/** The classes that have options. @typedef {'ConnectionPool' | 'ResourcePool' | 'Limiter'} Owner */

/**
 * @typedef {object} OptionRow
 * @property {string} name
 * @property {Owner[]} owners whose option it is
 * @property {'integer' | 'boolean' | 'string' | 'enum' | 'endpoints' | 'function'} kind
 * @property {any} default null: the dialect's own, or none
 * @property {number | null} [min]
 * @property {number | null} [max]
 * @property {string[] | null} [values]
 * @property {string} about
 * @property {string} ofResources the same of a ResourcePool
 */

/**
 * @typedef {object} ErrorRow
 * @property {string} code
 * @property {boolean} retryable
 * @property {string} meaning
 * @property {string} advice
 * @property {string} ofResources the same of a ResourcePool
 */

/**
 * @typedef {object} DialectRow
 * @property {string} name
 * @property {{ ok: { field: string, equals: unknown }, result: string, message: string[], extras: string[] }} reply
 */

/**
 * Where in the memory of the shelf everything is: indices of 32-bit words, of 64-bit ones for `touched` and `notes`.
 * @typedef {object} ShelfLayout
 * @property {number} slots
 * @property {number} slotsPerWord
 * @property {number} notes how many there is room for
 * @property {Record<string, number>} at
 */

/** @type {{ options: OptionRow[], errors: ErrorRow[], dialects: DialectRow[], events: string[], shelf: ShelfLayout }} */
const parsed = JSON.parse(tables())

/**
 * The options of a class by name.
 * @param {Owner} owner
 * @returns {Map<string, OptionRow>}
 */
function optionsOf(owner) {
  const rows = parsed.options.filter(({ owners }) => owners.includes(owner))
  return new Map(rows.map((row) => [row.name, row]))
}

/** Every option of a connection pool by name. */
const options = optionsOf('ConnectionPool')

/** Every error code's row by code. */
const errors = new Map(parsed.errors.map((row) => [row.code, row]))

/** The dialects; native code names one by its index. */
const dialects = parsed.dialects

/** The bit of each event that native code tells, by name. */
const eventBits = new Map(parsed.events.map((name, bit) => [name, 2 ** bit]))

const { shelf } = parsed

module.exports = { options, optionsOf, errors, dialects, eventBits, shelf }
