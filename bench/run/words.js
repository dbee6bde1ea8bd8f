// @ts-check
'use strict'
// Figures as words, for the terminal, the page and the documents alike.

/** @typedef {import('./row').Verdict} Verdict */
/** @typedef {import('./row').Row} Row */

const UNITS = /** @type {Record<string, string>} */ ({ us: 'µs', percent: '%', count: '' })

/** Three digits that count, and no more. @param {number} value */
function digits(value) {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 1000) {
    return Math.round(value).toLocaleString('en-US').replaceAll(',', ' ')
  }
  return String(Number(value.toPrecision(3)))
}

/** @param {number} value @param {string} unit */
function quantity(value, unit) {
  const name = UNITS[unit] ?? unit
  return name === '' ? digits(value) : `${digits(value)} ${name}`
}

/** @param {number} value */
const times = (value) => `${value.toFixed(value < 0.095 ? 3 : 2)} ×`

/** What is to be reached. @param {Verdict} verdict @param {Row} row */
function aim({ kind, limit, measure }, { measures }) {
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

module.exports = { aim, answer, attained, digits, quantity, times }
