// @ts-check
'use strict'
// How the figure of a row grows with the size, both on a logarithmic scale: a flat line costs each the same whatever
// the size, and a slope of one is linear.

const { escaped, figure, svg } = require('../../stress/report/chart')
const { digits, quantity, unitName } = require('../run/words')

/** @typedef {import('../run/row').Row} Row */

const WIDTH = 520
const HEIGHT = 250
const LEFT = 54
const RIGHT = 16
const TOP = 14
const BOTTOM = 40
const COLORS = { ours: ['blue', 'sky'], others: ['orange', 'green', 'violet', 'grey', 'red'] }

/** @param {Row} row @returns {{ legend: string, svg: string } | null} null: there is one size only, or nothing to draw */
function growthChart({ entrants, measures, sizes, label }) {
  if (sizes.length < 2) return null
  const { unit } = measures.value
  const colors = colorsOf(entrants)
  const lines = entrants.map(({ name, growth, sizes: own }, at) => ({
    name: growth === null ? name : `${name} (${growth.toFixed(2)})`,
    color: colors[at],
    points: own
      .map((one) => ({ size: one.size, value: one.measures.value.median }))
      .filter(({ value }) => value > 0),
  }))
  const values = lines.flatMap(({ points }) => points.map(({ value }) => value))
  if (values.length === 0) return null
  const x = logarithmic(Math.min(...sizes), Math.max(...sizes), LEFT + 10, WIDTH - RIGHT - 10)
  const [least, most] = decades(Math.min(...values), Math.max(...values))
  const y = logarithmic(least, most, HEIGHT - BOTTOM, TOP)
  const grid = readable(marksBetween(least, most)).map((value) => {
    const at = round(y(value))
    return (
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>` +
      `<text class="tick" x="${LEFT - 6}" y="${at + 3.5}" text-anchor="end">${figure(value)}</text>`
    )
  })
  const across = sizes.map(
    (size) =>
      `<text class="tick" x="${round(x(size))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${digits(size)}</text>`,
  )
  const drawn = lines.toReversed().map(({ name, color, points }) => {
    const path = points.map(({ size, value }) => `${round(x(size))} ${round(y(value))}`)
    const dots = points.map(
      ({ size, value }) =>
        `<circle class="dot ${color}" cx="${round(x(size))}" cy="${round(y(value))}" r="4"><title>${escaped(`${name}, ${digits(size)} ${label}: ${quantity(value, unit)}`)}</title></circle>`,
    )
    if (points.length === 0) return ''
    return `<path class="line ${color}" d="M ${path.join(' L ')}"/>${dots.join('')}`
  })
  const names = `<text class="axis" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escaped(`${label}; ${unitName(unit)}; both logarithmic`)}</text>`
  const content = grid.join('') + across.join('') + drawn.join('') + names
  const legend = lines.map(
    ({ name, color }) => `<span><i class="${color}"></i>${escaped(name)}</span>`,
  )
  return {
    legend: legend.join(''),
    svg: svg({ title: `Growth with ${label}`, x: '', y: '' }, content, HEIGHT),
  }
}

/** @param {Row['entrants']} entrants */
function colorsOf(entrants) {
  const taken = { ours: 0, others: 0 }
  return entrants.map(({ side }) => {
    const kind = side === 'ours' ? 'ours' : 'others'
    const colors = COLORS[kind]
    return colors[taken[kind]++ % colors.length]
  })
}

/** @param {number} from @param {number} to @param {number} start @param {number} end */
function logarithmic(from, to, start, end) {
  const span = Math.log(to / from)
  return (/** @type {number} */ value) => start + (Math.log(value / from) / span) * (end - start)
}

/** Round figures around both. @param {number} least @param {number} most @returns {[number, number]} */
function decades(least, most) {
  const marks = marksBetween(10 ** Math.floor(Math.log10(least)), 10 ** Math.ceil(Math.log10(most)))
  const below = marks.filter((mark) => mark <= least)
  const above = marks.filter((mark) => mark >= most)
  return [below[below.length - 1] ?? marks[0], above[0] ?? marks[marks.length - 1]]
}

/** 1, 2, 5 and their decades. @param {number} from @param {number} to @returns {number[]} */
function marksBetween(from, to) {
  const marks = []
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power++) {
    for (const digit of [1, 2, 5]) {
      const mark = Number((digit * 10 ** power).toPrecision(3))
      if (mark >= from * 0.999 && mark <= to * 1.001) marks.push(mark)
    }
  }
  return marks
}

/** The decades alone where all would be crowded. @param {number[]} marks */
function readable(marks) {
  return marks.length <= 9 ? marks : marks.filter((mark) => Number.isInteger(Math.log10(mark)))
}

const round = (/** @type {number} */ value) => Math.round(value * 10) / 10

module.exports = { growthChart }
