// @ts-check
'use strict'
// One row on the page: what both sides do, what was to be reached, its plots, and all figures as a table.

const { escaped } = require('../../stress/report/chart')
const { aim, attained, quantity, range, sized, times } = require('../run/words')
const { barsOf } = require('./bars')
const { growthChart } = require('./growth')

/** @typedef {import('../run/row').Row} Row */
/** @typedef {import('../run/row').Verdict} Verdict */

/** @param {Row} row */
function rowSection(row) {
  const { number, title, sides, verdicts, measures } = row
  const plotted = Object.keys(measures).filter((name) => !measures[name].aside)
  // One bar beside none says nothing that its figure does not.
  const isAlone = row.entrants.length === 1 && row.sizes.length === 1
  const plots = (isAlone ? [] : plotted).flatMap((measure) => {
    const bars = barsOf(row, measure)
    return bars === null ? [] : [plot(heading(row, measure), bars)]
  })
  const growth = growthChart(row)
  if (growth !== null) plots.push(plot(`Growth with ${row.label}`, growth))
  return `<section class="card" id="row-${number}">
<div class="head"><h2>${number}. ${escaped(title)}</h2></div>
<p class="lead">${escaped(sides)}</p>
<ul class="reasons">${verdicts.map((verdict) => sentence(verdict, row)).join('')}</ul>
<div class="plots">${plots.join('\n')}</div>
${table(row)}
</section>`
}

/** @param {Row} row @param {string} measure */
function heading({ measures }, measure) {
  const { title, better } = measures[measure]
  return `${title}${better === 'more' ? ' (more is better)' : ''}`
}

/** @param {string} title @param {{ legend?: string, svg: string }} drawn */
function plot(title, { legend = '', svg }) {
  return `<figure><figcaption><h3>${escaped(title)}</h3><span class="legend">${legend}</span></figcaption>${svg}</figure>`
}

/** @param {Verdict} verdict @param {Row} row */
function sentence(verdict, row) {
  const { measure, size, reached, kind, limit, peer, among } = verdict
  const level = reached === null ? 'none' : reached ? 'good' : 'bad'
  const { title } = row.measures[measure]
  const what = title === row.title ? '' : `${title}: `
  const where = size === null || row.sizes.length === 1 ? '' : `${sized(size, row.label)}, `
  const of = kind === 'ratio' && peer !== null ? ` of ${peer.name}` : ''
  const text = `${where}${what}${attained(verdict, row)}${of}${among === undefined ? '' : `, ${among}`}`
  const told = limit === null ? 'shown only' : `to reach: ${aim(verdict, row)}`
  return `<li class="${level}">${escaped(text)} <span class="soft">(${escaped(told)})</span></li>`
}

/** @param {Row} row */
function table({ entrants, measures, sizes, label }) {
  const names = Object.keys(measures)
  const head = names.map((name) => `<th>${escaped(measures[name].title)}</th>`)
  const lines = sizes.flatMap((size) =>
    entrants.flatMap(({ name, sizes: own, side }) => {
      const at = own.find((one) => one.size === size)
      if (at === undefined) return []
      const cells = names.map((measure) => cell(at.measures[measure], measures[measure].unit))
      const what = sizes.length === 1 ? '' : ` <span class="soft">${sized(size, label)}</span>`
      return `<tr class="${side}"><td>${escaped(name)}${what}</td>${cells.join('')}</tr>`
    }),
  )
  return `<details><summary>All figures</summary><div class="wide"><table><thead><tr><th></th>${head.join('')}</tr></thead><tbody>${lines.join('')}</tbody></table></div></details>`
}

/** @param {import('../run/row').Compared | undefined} figure @param {string} unit */
function cell(figure, unit) {
  if (figure === undefined) return '<td></td>'
  const { median, low, high, versus } = figure
  const spread = low === high ? '' : ` <span class="soft">${range(low, high, unit)}</span>`
  const ratio = versus === undefined ? '' : ` <b>${times(versus.ratio)}</b>`
  return `<td>${quantity(median, unit)}${ratio}${spread}</td>`
}

module.exports = { rowSection }
