// @ts-check
'use strict'
// Reads the options of a subcommand by its table. What is not in the table, or has no value that fits, is a
// UsageError that names the option and the nearest right word; nothing is guessed.

const { didYouMean, nearest } = require('../lib/nearest')

/**
 * @typedef {object} Option
 * @property {string} name without its dashes
 * @property {'flag' | 'text' | 'texts' | 'whole' | 'number' | 'oneOf' | 'file'} kind `flag` takes no value and
 *   may be `--no-name`, `texts` may be repeated; a `file` may be left out, which gives `true`, and may be refused
 *   with `--no-name`
 * @property {any} [fallback]
 * @property {readonly string[]} [values] of `oneOf`
 * @property {number} [least]
 * @property {number} [most]
 */

/** A command line that says nothing that can be done. */
class UsageError extends Error {}

/**
 * @param {string[]} args
 * @param {Option[]} table
 * @returns {Record<string, any>} the value of every option of the table
 * @throws {UsageError}
 */
function readOptions(args, table) {
  const byName = new Map(table.map((option) => [option.name, option]))
  /** @type {Record<string, any>} */
  const values = Object.fromEntries(table.map(({ name, fallback }) => [name, fallback]))
  const rest = [...args]
  while (rest.length > 0) {
    const word = /** @type {string} */ (rest.shift())
    const [, name, , given] = /^--([\w-]+)(=([\s\S]*))?$/.exec(word) ?? []
    if (name === undefined) {
      const meant = optionOf(word, table) || nearTo(word, byName)
      throw new UsageError(`${word} is not an option.${meant}`)
    }
    const denied = name.startsWith('no-') ? byName.get(name.slice('no-'.length)) : undefined
    if (denied && (denied.kind === 'flag' || denied.kind === 'file')) {
      if (given !== undefined) throw new UsageError(`--${name} takes no value.`)
      values[denied.name] = false
      continue
    }
    const option = byName.get(name)
    if (option === undefined) {
      throw new UsageError(`There is no option --${name}.${nearTo(name, byName)}`)
    }
    if (option.kind === 'flag') {
      if (given !== undefined) throw new UsageError(`--${name} takes no value.`)
      values[name] = true
      continue
    }
    const follows = rest[0] !== undefined && (rest[0] === '-' || !rest[0].startsWith('-'))
    if (option.kind === 'file' && given === undefined && !follows) {
      values[name] = true
      continue
    }
    const text = given ?? (follows || /^-\d/.test(rest[0] ?? '') ? rest.shift() : undefined)
    if (text === undefined || text === '') throw new UsageError(`--${name} needs a value.`)
    const value = read(option, text)
    values[name] = option.kind === 'texts' ? [...values[name], value] : value
  }
  return values
}

/**
 * @param {string} word
 * @param {Map<string, Option>} byName
 */
function nearTo(word, byName) {
  const bare = word.replace(/^-+/, '').replace(/^no-/, '')
  return didYouMean(bare, byName.keys()).replace('mean ', 'mean --')
}

/**
 * The option that a bare value, or one like it, belongs to.
 * @param {string} word
 * @param {Option[]} table
 */
function optionOf(word, table) {
  const values = new Map(
    table.flatMap(({ name, values = [] }) => values.map((value) => [value, `--${name} ${value}`])),
  )
  const value = values.has(word) ? word : nearest(word, values.keys())
  return value === null ? '' : ` Did you mean ${values.get(value)}?`
}

/**
 * @param {Option} option
 * @param {string} text
 */
function read({ name, kind, values = [], least = 0, most = Number.MAX_SAFE_INTEGER }, text) {
  if (kind === 'oneOf') {
    if (values.includes(text)) return text
    throw new UsageError(
      `--${name} is one of ${values.join(', ')}, not ${text}.${didYouMean(text, values)}`,
    )
  }
  if (kind !== 'whole' && kind !== 'number') return text
  const value = Number(text)
  const fits = kind === 'whole' ? Number.isInteger(value) : Number.isFinite(value)
  if (fits && value >= least && value <= most) return value
  const what = kind === 'whole' ? 'a whole number' : 'a number'
  throw new UsageError(`--${name} must be ${what} from ${least} to ${most}, not ${text}.`)
}

module.exports = { UsageError, readOptions }
