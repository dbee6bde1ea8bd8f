// @ts-check
'use strict'
// Figures as words, for the terminal, the page and the documents alike.

/** @typedef {import('./row').Verdict} Verdict */
/** @typedef {import('./row').Row} Row */

const NAMES = /** @type {Record<string, string>} */ ({ us: 'µs', percent: '%', count: '' })
const TIMES = ['ns', 'us', 'ms', 's']

/** Three digits that count, and no more. @param {number} value */
function digits(value) {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 1000) {
    return Math.round(value).toLocaleString('en-US').replaceAll(',', ' ')
  }
  return String(Number(value.toPrecision(3)))
}

/** A time in the unit that reads best. @param {number} value @param {string} unit @returns {[number, string]} */
function fitting(value, unit) {
  let at = TIMES.indexOf(unit)
  if (at === -1 || value === 0) return [value, unit]
  let fit = value
  while (Math.abs(fit) >= 10_000 && at < TIMES.length - 1) {
    fit /= 1000
    at++
  }
  while (Math.abs(fit) < 1 && at > 0) {
    fit *= 1000
    at--
  }
  return [fit, TIMES[at]]
}

/** @param {number} value @param {string} unit */
function quantity(value, unit) {
  const [fit, fittingUnit] = fitting(value, unit)
  const name = unitName(fittingUnit)
  return name === '' ? digits(fit) : `${digits(fit)} ${name}`
}

/** From one to the other, in one unit. @param {number} low @param {number} high @param {string} unit */
function range(low, high, unit) {
  const [fit, fittingUnit] = fitting(high, unit)
  const name = unitName(fittingUnit)
  return `${digits((low * fit) / (high || 1))}–${digits(fit)}${name === '' ? '' : ` ${name}`}`
}

/** The name of a unit, where no figure stands before it. @param {string} unit */
const unitName = (unit) => NAMES[unit] ?? unit

/** @param {number} value */
const times = (value) => (Number.isFinite(value) ? `${digits(Number(value.toFixed(3)))} ×` : '–')

/** One caller, many callers, 8 MB. @param {number} size @param {string} label */
const sized = (size, label) =>
  `${digits(size)} ${size === 1 ? label.replace(/([a-z]{3})s$/, '$1') : label}`

/** What is to be reached. @param {Verdict} verdict @param {Row} row */
function aim({ kind, limit, measure }, { measures }) {
  if (limit === null) return '–'
  const { unit } = measures[measure]
  if (kind === 'ratio') return `≤ ${limit} ×`
  if (kind === 'growth') return `growth ≤ ${limit}`
  return `${kind === 'atLeast' ? '≥' : '≤'} ${quantity(limit, unit)}`
}

/** @param {Verdict} verdict @param {Row} row */
function attained({ kind, got, measure }, { measures }) {
  if (got === null) return '–'
  if (kind === 'ratio') return times(got)
  if (kind === 'growth') return got.toFixed(2)
  return quantity(got, measures[measure].unit)
}

/** @param {boolean | null} reached */
const answer = (reached) => (reached === null ? '–' : reached ? 'yes' : 'no')

module.exports = { aim, answer, attained, digits, quantity, range, sized, times, unitName }
