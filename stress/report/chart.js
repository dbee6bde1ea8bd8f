// @ts-check
'use strict'
// Plots as SVG text: bars, lines over time, stacked areas, and percentiles on a logarithmic scale. Colours are
// classes of the page, so that one plot serves light and dark. No numbers are worked out here.

const WIDTH = 520
const HEIGHT = 220
const LEFT = 54
const RIGHT = 12
const TOP = 14
const BOTTOM = 40

/**
 * @typedef {[number, number]} Point
 * @typedef {{ name: string, color: string, points: Point[] }} Series `color`: a class
 * @typedef {{ x: string, y: string, title: string }} Labels
 */

/** @param {unknown} text */
function escaped(text) {
  return String(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** Round figures from 0 to at least `most`. @param {number} most @param {boolean} [whole] @param {number} [parts] about so many */
function ticks(most, whole = false, parts = 4) {
  const rough = Math.max(most, whole ? 1 : 1e-6) / parts
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough) ?? power
  const even = whole ? Math.max(1, Math.ceil(step)) : step
  const count = Math.max(1, Math.ceil(most / even - 1e-9))
  return Array.from({ length: count + 1 }, (_, index) => index * even)
}

/** @param {number} value */
function figure(value) {
  if (value === 0) return '0'
  if (value >= 10_000) return `${Math.round(value / 1000)}k`
  return String(Number(value.toPrecision(3)))
}

const round = (/** @type {number} */ value) => Math.round(value * 10) / 10

/** @param {Labels} labels @param {string} content @param {number} [height] */
function svg({ title }, content, height = HEIGHT) {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}"><title>${escaped(title)}</title>${content}</svg>`
}

/** @param {Labels} labels */
function axisNames({ x, y }) {
  const middle = (LEFT + WIDTH - RIGHT) / 2
  return (
    `<text class="axis" x="${middle}" y="${HEIGHT - 6}" text-anchor="middle">${escaped(x)}</text>` +
    `<text class="axis" transform="translate(11 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escaped(y)}</text>`
  )
}

/** Horizontal lines with their figures. @param {number[]} marks @param {(value: number) => number} y */
function grid(marks, y) {
  return marks
    .map((value) => {
      const at = round(y(value))
      return (
        `<line class="${value === 0 ? 'base' : 'grid'}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>` +
        `<text class="tick" x="${LEFT - 6}" y="${at + 3.5}" text-anchor="end">${figure(value)}</text>`
      )
    })
    .join('')
}

/** @param {number} most */
function vertical(most) {
  return (/** @type {number} */ value) =>
    HEIGHT - BOTTOM - (value / (most || 1)) * (HEIGHT - TOP - BOTTOM)
}

/**
 * Bars side by side for each group.
 * @param {{ name: string, values: number[] }[]} groups
 * @param {{ name: string, color: string }[]} series
 * @param {Labels} labels
 */
function barChart(groups, series, labels) {
  const marks = ticks(Math.max(1, ...groups.flatMap(({ values }) => values)), true)
  const y = vertical(marks[marks.length - 1])
  const room = (WIDTH - LEFT - RIGHT) / groups.length
  const width = Math.min(36, (room - 6) / series.length)
  const bars = groups.map(({ name, values }, group) => {
    const middle = LEFT + room * (group + 0.5)
    const own = values.map((value, at) => {
      const x = round(middle + (at - series.length / 2) * width + 1)
      const top = round(y(value))
      const height = round(y(0) - y(value))
      const count = value >= 10_000 ? figure(value) : value || ''
      return (
        `<rect class="fill ${series[at].color}" x="${x}" y="${top}" width="${round(width - 2)}" height="${height}" rx="2"><title>${escaped(`${series[at].name}, ${name} ${labels.x}: ${value}`)}</title></rect>` +
        `<text class="count" x="${round(x + width / 2 - 1)}" y="${top - 4}" text-anchor="middle">${count}</text>`
      )
    })
    return `${own.join('')}<text class="tick" x="${round(middle)}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${escaped(name)}</text>`
  })
  return svg(labels, grid(marks, y) + bars.join('') + axisNames(labels))
}

/** The scale and the marks of a time axis. @param {number} most seconds */
function timeAxis(most) {
  const x = (/** @type {number} */ value) => LEFT + (value / (most || 1)) * (WIDTH - LEFT - RIGHT)
  const marks = ticks(most, false, 7)
    .filter((value) => value <= most * 1.001)
    .map(
      (value) =>
        `<text class="tick" x="${round(x(value))}" y="${HEIGHT - BOTTOM + 15}" text-anchor="middle">${figure(value)}</text>`,
    )
  return { x, marks: marks.join('') }
}

/**
 * @param {Series[]} series points are `[seconds, value]`
 * @param {Labels} labels
 * @param {{ from: number, to: number, text: string }[]} [events] seconds, shaded
 */
function lineChart(series, labels, events = []) {
  const points = series.flatMap((one) => one.points)
  const marks = ticks(Math.max(1, ...points.map(([, value]) => value)), true)
  const y = vertical(marks[marks.length - 1])
  const { x, marks: times } = timeAxis(Math.max(0.001, ...points.map(([at]) => at)))
  const lines = series.map(({ name, color, points: own }, index) => {
    const path = own.map(([at, value]) => `${round(x(at))} ${round(y(value))}`).join(' L ')
    if (path === '') return ''
    const [first, last] = [own[0][0], own[own.length - 1][0]]
    const area = `M ${round(x(first))} ${y(0)} L ${path} L ${round(x(last))} ${y(0)} Z`
    const under = index === 0 ? `<path class="area ${color}" d="${area}"/>` : ''
    return `${under}<path class="line ${color}" d="M ${path}"><title>${escaped(name)}</title></path>`
  })
  const flags = events.map(({ from, to, text }) => {
    const width = Math.max(2, round(x(to) - x(from)))
    const place = `x="${round(x(from))}" y="${TOP}" width="${width}" height="${HEIGHT - TOP - BOTTOM}"`
    return `<rect class="flag" ${place}><title>${escaped(text)}</title></rect>`
  })
  return svg(labels, grid(marks, y) + flags.join('') + lines.join('') + times + axisNames(labels))
}

/**
 * Areas one on top of the other.
 * @param {Series[]} series with the same moments, from the bottom up
 * @param {Labels} labels
 * @param {number} most the top of the scale, drawn as a limit
 */
function stackChart(series, labels, most) {
  const moments = series[0].points.map(([at]) => at)
  const marks = ticks(most * 1.08, true)
  const y = vertical(marks[marks.length - 1])
  const { x, marks: times } = timeAxis(Math.max(0.001, ...moments))
  let floor = moments.map(() => 0)
  const areas = series.map(({ name, color, points }) => {
    const top = points.map(([, value], index) => floor[index] + value)
    const there = stairs(moments, top, x, y)
    const back = stairs(moments, floor, x, y).reverse()
    floor = top
    return `<path class="stack ${color}" d="M ${[...there, ...back].join(' L ')} Z"><title>${escaped(name)}</title></path>`
  })
  const limit = round(y(most))
  const line =
    `<line class="limit" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${limit}" y2="${limit}"/>` +
    `<text class="tick" x="${WIDTH - RIGHT}" y="${limit - 4}" text-anchor="end">maximum ${most}</text>`
  return svg(labels, grid(marks, y) + areas.join('') + line + times + axisNames(labels))
}

/**
 * A state lasts until the next sample.
 * @param {number[]} moments
 * @param {number[]} values
 * @param {(at: number) => number} x
 * @param {(value: number) => number} y
 */
function stairs(moments, values, x, y) {
  return moments.flatMap((at, index) => {
    const here = `${round(x(at))} ${round(y(values[index]))}`
    const next = moments[index + 1]
    return next === undefined ? [here] : [here, `${round(x(next))} ${round(y(values[index]))}`]
  })
}

const LOG_FROM = 0.01

/**
 * For each row its percentiles as dots, on a logarithmic scale.
 * @param {{ name: string, color: string, values: { name: string, ms: number }[] }[]} rows
 * @param {Labels} labels
 */
function percentileChart(rows, labels) {
  const left = 128
  const greatest = Math.max(1, ...rows.flatMap(({ values }) => values.map(({ ms }) => ms)))
  const decades = Math.ceil(Math.log10(greatest * 1.2)) - Math.log10(LOG_FROM)
  const x = (/** @type {number} */ ms) =>
    left + (Math.log10(Math.max(ms, LOG_FROM) / LOG_FROM) / decades) * (WIDTH - left - RIGHT - 14)
  const bottom = HEIGHT - BOTTOM
  const lines = Array.from({ length: Math.round(decades) + 1 }, (_, index) => {
    const ms = LOG_FROM * 10 ** index
    const at = round(x(ms))
    const name = index === 0 ? `≤ ${figure(ms)}` : figure(ms)
    return (
      `<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom}"/>` +
      `<text class="tick" x="${at}" y="${bottom + 15}" text-anchor="middle">${name}</text>`
    )
  })
  const each = (bottom - TOP) / rows.length
  const dots = rows.map(({ name, color, values }, index) => {
    const y = round(TOP + each * (index + 0.5))
    const first = round(x(values[0].ms))
    const last = round(x(values[values.length - 1].ms))
    let free = -Infinity
    const marks = values.map(({ name: what, ms }) => {
      const at = round(x(ms))
      const told = `<circle class="dot ${color}" cx="${at}" cy="${y}" r="4.5"><title>${escaped(`${name}, ${what}: ${ms.toFixed(2)} ms`)}</title></circle>`
      // Names that would lie on each other are left to the tooltip and the table.
      if (at - free < 30) return told
      free = at
      return `${told}<text class="count" x="${at}" y="${y - 9}" text-anchor="middle">${what}</text><text class="count" x="${at}" y="${y + 18}" text-anchor="middle">${ms < LOG_FROM ? '0' : figure(Number(ms.toPrecision(2)))}</text>`
    })
    return (
      `<text class="row" x="${left - 20}" y="${y + 4}" text-anchor="end">${escaped(name)}</text>` +
      `<line class="range ${color}" x1="${first}" x2="${last}" y1="${y}" y2="${y}"/>${marks.join('')}`
    )
  })
  const middle = (left + WIDTH - RIGHT) / 2
  const axis = `<text class="axis" x="${middle}" y="${HEIGHT - 6}" text-anchor="middle">${escaped(labels.x)}</text>`
  return svg(labels, lines.join('') + dots.join('') + axis)
}

module.exports = { barChart, escaped, figure, lineChart, percentileChart, stackChart, svg, ticks }
