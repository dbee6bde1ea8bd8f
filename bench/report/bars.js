// @ts-check
'use strict'
// A measure as horizontal bars, grouped by size: ours in colour, the peers in grey, with the spread of the rounds and
// what is to be reached. Far apart, they lie on a logarithmic scale, and the plot says so.

const { escaped, figure, svg, ticks } = require('../../stress/report/chart')
const { quantity, range, sized, unitName } = require('../run/words')

/** @typedef {import('../run/row').Row} Row */
/** @typedef {(value: number) => number} Scale */

const WIDTH = 520
const LEFT = 200
const RIGHT = 70
const BAR = 15
const STEP = 20
const HEAD = 22
/** From this ratio of the longest to the shortest on, the short ones would be lines. */
const FAR_APART = 25

/** @typedef {{ name: string, color: string, median: number, low: number, high: number }} Bar */
/** @typedef {{ title: string, bars: Bar[], limit: number | null }} Group */

/** @param {Row} row @param {string} measure @returns {{ svg: string } | null} null: nobody was measured */
function barsOf(row, measure) {
  const groups = groupsOf(row, measure).filter(({ bars }) => bars.length > 0)
  if (groups.length === 0) return null
  const { title, unit } = row.measures[measure]
  const { scale, marks, isLog } = scaleOf(groups)
  const grouped = groups.length > 1
  const heights = groups.map(({ bars }) => bars.length * STEP + (grouped ? HEAD : 4))
  const bottom = heights.reduce((sum, one) => sum + one, 4)
  let top = 4
  const drawn = groups.map((group, at) => {
    const text = groupOf(group, top, grouped, scale, unit)
    top += heights[at]
    return text
  })
  const label = [unitName(unit), isLog ? 'logarithmic' : ''].filter(Boolean).join(', ')
  const lines = marks.map((value) => {
    const x = round(scale(value))
    return (
      `<line class="grid" x1="${x}" x2="${x}" y1="4" y2="${bottom}"/>` +
      `<text class="tick" x="${x}" y="${bottom + 14}" text-anchor="middle">${figure(value)}</text>`
    )
  })
  const axis = `<text class="axis" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${bottom + 30}" text-anchor="middle">${escaped(label)}</text>`
  return {
    svg: svg({ title, x: '', y: '' }, lines.join('') + drawn.join('') + axis, bottom + 36),
  }
}

/** @param {Row} row @param {string} measure @returns {Group[]} */
function groupsOf({ entrants, sizes, label, verdicts }, measure) {
  return sizes.map((size) => {
    const bars = entrants.flatMap(({ name, side, sizes: own }, at) => {
      const found = own.find((one) => one.size === size)?.measures[measure]
      return found === undefined ? [] : [{ name, color: colorOf(side, at), ...found }]
    })
    const verdict = verdicts.find((one) => one.measure === measure && one.size === size)
    const whole = verdict?.kind === 'ratio' ? (verdict.peer?.value ?? null) : 1
    const limit =
      verdict === undefined || verdict.limit === null || whole === null
        ? null
        : verdict.limit * whole
    return { title: sized(size, label), bars, limit }
  })
}

/** @param {string} side @param {number} at */
function colorOf(side, at) {
  if (side === 'ours') return at === 0 ? 'blue' : 'sky'
  return side === 'peer' ? 'grey' : 'pale'
}

/** @param {Group[]} groups @returns {{ scale: Scale, marks: number[], isLog: boolean }} */
function scaleOf(groups) {
  const medians = groups.flatMap(({ bars }) => bars.map(({ median }) => median))
  const most = Math.max(...medians, ...groups.map(({ limit }) => limit ?? 0))
  const positive = medians.filter((value) => value > 0)
  const least = Math.min(...positive)
  const room = WIDTH - LEFT - RIGHT
  if (positive.length > 0 && most / least > FAR_APART) {
    const from = Math.floor(Math.log10(least) - 0.15)
    const to = Math.ceil(Math.log10(most))
    const every = Math.ceil((to - from) / 6)
    const marks = Array.from({ length: to - from + 1 }, (_, at) => 10 ** (from + at))
    const scale = (/** @type {number} */ value) =>
      LEFT + (Math.max(0, Math.log10(value) - from) / (to - from)) * room
    return { scale, marks: marks.filter((_, at) => at % every === 0), isLog: true }
  }
  const marks = ticks(most)
  const end = marks[marks.length - 1]
  return { scale: (value) => LEFT + (Math.min(value, end) / end) * room, marks, isLog: false }
}

/**
 * @param {Group} group
 * @param {number} top
 * @param {boolean} grouped
 * @param {Scale} scale
 * @param {string} unit
 */
function groupOf({ title, bars, limit }, top, grouped, scale, unit) {
  const first = top + (grouped ? HEAD : 4)
  const head = grouped ? `<text class="group" x="0" y="${first - 6}">${escaped(title)}</text>` : ''
  const drawn = bars.map((bar, at) => barOf(bar, first + at * STEP, scale, unit))
  return head + drawn.join('') + limitOf(limit, first, first + bars.length * STEP - 4, scale, unit)
}

/** @param {Bar} bar @param {number} y @param {Scale} scale @param {string} unit */
function barOf({ name, color, median, low, high }, y, scale, unit) {
  const [start, end, from, to] = [LEFT, scale(median), scale(low), scale(high)].map(round)
  const middle = y + BAR / 2
  const told = quantity(median, unit)
  const spread =
    to - from < 1
      ? ''
      : `<line class="spread" x1="${from}" x2="${to}" y1="${middle}" y2="${middle}"/>`
  return (
    `<text class="row" x="${LEFT - 8}" y="${y + 11.5}" text-anchor="end">${escaped(name)}</text>` +
    `<rect class="fill ${color}" x="${start}" y="${y}" width="${Math.max(1, round(end - start))}" height="${BAR}" rx="2"><title>${escaped(`${name}: ${told} (${range(low, high, unit)})`)}</title></rect>` +
    `${spread}<text class="count" x="${Math.max(end, to) + 5}" y="${y + 11}">${escaped(told)}</text>`
  )
}

/**
 * @param {number | null} limit
 * @param {number} top
 * @param {number} bottom
 * @param {Scale} scale
 * @param {string} unit
 */
function limitOf(limit, top, bottom, scale, unit) {
  if (limit === null) return ''
  const x = round(scale(limit))
  return `<line class="limit" x1="${x}" x2="${x}" y1="${top - 3}" y2="${bottom + 3}"><title>${escaped(`to reach: ${quantity(limit, unit)}`)}</title></line>`
}

const round = (/** @type {number} */ value) => Math.round(value * 10) / 10

module.exports = { barsOf }
