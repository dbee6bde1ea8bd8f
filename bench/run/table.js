// @ts-check
'use strict'
// The figures as text: what each row measured for the terminal, and the sum of all for the terminal or as Markdown.

const { aim, answer, attained, digits, quantity, range, sized, times } = require('./words')

/** @typedef {import('./row').Row} Row */
/** @typedef {import('./row').Compared} Compared */

/** @param {Row} row @returns {string} */
function rowTable(row) {
  const { number, title, label, measures, entrants, tookMs } = row
  const names = Object.keys(measures)
  const sizes = [...new Set(entrants.flatMap((one) => one.sizes.map(({ size }) => size)))]
  const head = [
    label,
    '',
    ...names.map((name) => (name === 'value' ? 'median' : measures[name].title)),
  ]
  const lines = sizes.flatMap((size) =>
    entrants.flatMap((entrant) => {
      const at = entrant.sizes.find((one) => one.size === size)
      if (at === undefined) return []
      const cells = names.map((name) => cell(at.measures[name], measures[name].unit))
      return [[digits(size), entrant.name, ...cells]]
    }),
  )
  const took = `${(tookMs / 1000).toFixed(1)} s`
  return [`${number}. ${title} (${took})`, aligned([head, ...lines])].join('\n')
}

/** @param {Compared | undefined} figure @param {string} unit */
function cell(figure, unit) {
  if (figure === undefined) return ''
  const { median, low, high, versus } = figure
  const spread = low === high ? '' : ` (${range(low, high, unit)})`
  return `${quantity(median, unit)}${spread}${versus === undefined ? '' : ` ${times(versus.ratio)}`}`
}

/** What each row is to reach, and what it did. @param {Row[]} rows @returns {string[][]} */
function summary(rows) {
  const head = ['#', 'scenario', 'size', 'blender-pool', 'best peer', 'to reach', 'is', 'reached']
  const lines = rows.flatMap((row) =>
    row.verdicts.map((verdict) => {
      const { measure, size, ours, peer, among } = verdict
      const { title, unit } = row.measures[measure]
      const what = title === row.title ? title : `${row.title}: ${title}`
      return [
        String(row.number),
        among === undefined ? what : `${what}, ${among}`,
        size === null ? 'all' : sized(size, row.label),
        ours === null ? '' : quantity(ours, unit),
        peer === null ? '' : `${peer.name}: ${quantity(peer.value, unit)}`,
        aim(verdict, row),
        attained(verdict, row),
        answer(verdict.reached),
      ]
    }),
  )
  return [head, ...lines]
}

/** @param {string[][]} lines @returns {string} */
function aligned(lines) {
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => line[at].length)))
  return lines
    .map((line) => `  ${line.map((text, at) => text.padEnd(widths[at])).join('  ')}`.trimEnd())
    .join('\n')
}

/** @param {string[][]} lines @returns {string} */
function markdown([head, ...lines]) {
  return [head, head.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n')
}

module.exports = { aligned, markdown, rowTable, summary }
