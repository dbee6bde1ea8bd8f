// @ts-check
'use strict'
// What came of a scenario: for everyone and each size the figures, ours in parts of the fastest peer's, and whether
// what is to be reached was reached.

const { reachesOf, sideOf } = require('../scenarios')
const { figureOf, growthOf, ratioOf } = require('./statistics')

/** @typedef {import('../scenarios').Scenario} Scenario */
/** @typedef {import('../scenarios').Reach} Reach */
/** @typedef {import('./alternate').Series} Series */
/** @typedef {import('./statistics').Figure} Figure */
/** @typedef {import('./statistics').Ratio} Ratio */

/**
 * @typedef {Figure & { versus?: Ratio & { peer: string } }} Compared `versus`: only of ours
 * @typedef {{ size: number, measures: Record<string, Compared> }} AtSize
 * @typedef {object} Entrant
 * @property {string} name
 * @property {'ours' | 'peer' | 'reference'} side
 * @property {number | null} growth the exponent, of the figure over the size
 * @property {AtSize[]} sizes
 *
 * @typedef {object} Verdict
 * @property {string} measure
 * @property {number | null} size null: over all sizes
 * @property {'ratio' | 'atMost' | 'atLeast' | 'growth' | 'figure'} kind
 * @property {number | null} limit null: shown, and not judged
 * @property {number | null} got null: nothing to compare with
 * @property {boolean | null} reached
 * @property {number | null} ours what was measured
 * @property {{ name: string, value: number } | null} peer who was compared with, and what that measured
 * @property {string} [among] of whom that is the best, if not of all
 *
 * @typedef {object} Row
 * @property {number} number
 * @property {string} title
 * @property {string} sides
 * @property {string} label
 * @property {number[]} sizes
 * @property {Record<string, { title: string, unit: string, better: 'less' | 'more', aside: boolean }>} measures the figure first
 * @property {Entrant[]} entrants
 * @property {Verdict[]} verdicts of the first of ours
 * @property {number} tookMs
 */

/** @param {Scenario} scenario @param {Series[]} all @param {number} tookMs @returns {Row} */
function rowOf(scenario, all, tookMs) {
  const { number, title, sides, label } = scenario
  const sizes = scenario.sizes.filter((size) => all.some((series) => series.size === size))
  const measures = measuresOf(scenario)
  const entrants = scenario.contestants.map((contestant) => {
    const own = all.filter((series) => series.contestant === contestant.name)
    const each = own.map(({ size, rounds }) => ({ size, measures: figuresOf(rounds) }))
    const points = each.map((at) => ({ size: at.size, value: at.measures.value.median }))
    const growth = growthOf(points)
    return { name: contestant.name, side: sideOf(contestant), growth, sizes: each }
  })
  compare(entrants, measures)
  const verdicts = reachesOf(scenario).flatMap((reach) => verdictsOf(reach, entrants))
  return { number, title, sides, label, sizes, measures, entrants, verdicts, tookMs }
}

/** @param {Scenario} scenario @returns {Row['measures']} */
function measuresOf({ title, figure = title, unit, better, measures = {} }) {
  /** @type {Record<string, import('../scenarios').Measure>} */
  const named = { value: { title: figure, unit, better }, ...measures }
  return Object.fromEntries(
    Object.entries(named).map(([name, { better = 'less', aside = false, ...one }]) => [
      name,
      { ...one, better, aside },
    ]),
  )
}

/** @param {Series['rounds']} rounds @returns {Record<string, Compared>} */
function figuresOf(rounds) {
  const names = Object.keys(rounds[0])
  return Object.fromEntries(names.map((name) => [name, figureOf(rounds.map((one) => one[name]))]))
}

/**
 * Gives each figure of ours its ratio to that peer's who is best at it there.
 * @param {Entrant[]} entrants
 * @param {Row['measures']} measures
 */
function compare(entrants, measures) {
  for (const { side, sizes } of entrants) {
    if (side !== 'ours') continue
    for (const at of sizes) {
      for (const [name, figure] of Object.entries(at.measures)) {
        if (measures[name].aside) continue
        const best = bestPeer(entrants, at.size, name, measures[name].better)
        if (best === null) continue
        figure.versus = { peer: best.name, ...ratioOf(figure, best.figure) }
      }
    }
  }
}

/**
 * @param {Entrant[]} entrants
 * @param {number} size
 * @param {string} measure
 * @param {'less' | 'more'} better
 * @returns {{ name: string, figure: Figure } | null}
 */
function bestPeer(entrants, size, measure, better) {
  const sign = better === 'less' ? 1 : -1
  const peers = entrants.flatMap(({ name, side, sizes }) => {
    const figure = sizes.find((at) => at.size === size)?.measures[measure]
    return side === 'peer' && figure !== undefined ? [{ name, figure }] : []
  })
  peers.sort((a, b) => sign * (a.figure.median - b.figure.median))
  return peers[0] ?? null
}

/** @param {Reach} reach @param {Entrant[]} entrants @returns {Verdict[]} */
function verdictsOf(reach, entrants) {
  const { measure = 'value', growth, sizes } = reach
  const ours = entrants[0]
  if (growth !== undefined) {
    const got = ours.growth
    const reached = got === null ? null : got <= growth
    return [
      { measure, size: null, kind: 'growth', limit: growth, got, reached, ours: null, peer: null },
    ]
  }
  const asked = ours.sizes.filter(({ size }) => sizes === undefined || sizes.includes(size))
  return asked.map(({ size }) => verdictAt(size, reach, entrants))
}

/** @param {number} size @param {Reach} reach @param {Entrant[]} entrants @returns {Verdict} */
function verdictAt(size, reach, entrants) {
  const { measure = 'value', ratio, among, atMost, atLeast } = reach
  const [ours, ...others] = entrants
  const figure = figureAt(ours, size, measure)
  const name = peerOf(reach, size, entrants)
  const peer = others.find((one) => one.name === name)
  const theirs = peer === undefined ? null : figureAt(peer, size, measure)
  const value = figure?.median ?? null
  const common = {
    measure,
    size,
    ours: value,
    peer: theirs === null ? null : { name: String(name), value: theirs.median },
    among: among?.title,
  }
  if (ratio !== undefined || among !== undefined) {
    const got = figure === null || theirs === null ? null : ratioOf(figure, theirs).ratio
    const reached = got === null || ratio === undefined ? null : got <= ratio
    return { ...common, kind: 'ratio', limit: ratio ?? null, got, reached }
  }
  if (atMost !== undefined) {
    const reached = value === null ? null : value <= atMost
    return { ...common, kind: 'atMost', limit: atMost, got: value, reached }
  }
  if (atLeast !== undefined) {
    const reached = value === null ? null : value >= atLeast
    return { ...common, kind: 'atLeast', limit: atLeast, got: value, reached }
  }
  return { ...common, kind: 'figure', limit: null, got: value, reached: null }
}

/** Whom ours is compared with. @param {Reach} reach @param {number} size @param {Entrant[]} entrants */
function peerOf({ measure = 'value', versus, among }, size, entrants) {
  if (versus !== undefined) return versus
  if (among === undefined) return figureAt(entrants[0], size, measure)?.versus?.peer
  const own = entrants.filter(({ name }) => among.peers.includes(name))
  return bestPeer(own, size, measure, 'less')?.name
}

/** @param {Entrant} entrant @param {number} size @param {string} measure @returns {Compared | null} */
function figureAt({ sizes }, size, measure) {
  return sizes.find((at) => at.size === size)?.measures[measure] ?? null
}

module.exports = { rowOf }
