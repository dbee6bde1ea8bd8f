// @ts-check
'use strict'
// Plays a scenario: at each size all contestants stand ready at the same time, and take turns round by round, each
// round in the opposite order of the one before. So whatever else the machine does meets all of them alike. The
// first round warms up and is thrown away; rubbish is collected before each, so that nobody pays for another's.

const { standApart } = require('./apart')
const { collect } = require('./rubbish')

/** @typedef {import('../scenarios').Scenario} Scenario */
/** @typedef {import('../scenarios').Contestant} Contestant */
/** @typedef {import('../scenarios').Context} Context */
/** @typedef {import('../scenarios').Stand} Stand */

/** @typedef {{ value: number } & Record<string, number>} Measures */
/** @typedef {{ contestant: string, size: number, rounds: Measures[] }} Series */

/**
 * @param {Scenario} scenario
 * @param {Context} context
 * @param {(size: number, round: number) => void} [tell]
 * @returns {Promise<Series[]>}
 */
async function alternate(scenario, context, tell = () => {}) {
  const all = []
  const { sizes, shortSizes = sizes } = scenario
  for (const size of context.full ? sizes : shortSizes) {
    all.push(...(await atSize(scenario, size, context, (round) => tell(size, round))))
  }
  return all
}

/**
 * @param {Scenario} scenario
 * @param {number} size
 * @param {Context} context
 * @param {(round: number) => void} tell
 */
async function atSize(scenario, size, context, tell) {
  const { contestants, isolated = false, warmUp = true, rounds } = scenario
  const last = context.full ? rounds.full : rounds.short
  const present = contestants.filter(({ upTo = Number.POSITIVE_INFINITY }) => size <= upTo)
  /** @type {{ series: Series, stand: Stand }[]} */
  const stands = []
  try {
    for (const contestant of present) {
      const stand = await named(contestant.name, () =>
        isolated ? standApart(scenario, contestant, size, context) : contestant.make(size, context),
      )
      stands.push({ series: { contestant: contestant.name, size, rounds: [] }, stand })
    }
    for (let round = warmUp ? 0 : 1; round <= last; round++) {
      tell(round)
      for (const { series, stand } of inTurn(stands, round)) {
        collect()
        const measured = await named(series.contestant, async () =>
          measuresOf(await stand.round(round), scenario),
        )
        if (round > 0) series.rounds.push(measured)
      }
    }
  } finally {
    for (const { stand } of stands) await stand.close?.()
  }
  return stands.map(({ series }) => series)
}

/** @template T @param {T[]} all @param {number} round @returns {T[]} */
function inTurn(all, round) {
  return round % 2 === 0 ? all : all.toReversed()
}

/**
 * Says whose it is if it fails.
 * @template T
 * @param {string} name
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
async function named(name, work) {
  try {
    return await work()
  } catch (cause) {
    throw new Error(`${name}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

/**
 * @param {import('../scenarios').Measured} measured
 * @param {Scenario} scenario
 * @returns {Measures}
 */
function measuresOf(measured, { measures = {} }) {
  const all = typeof measured === 'object' ? measured : { value: measured }
  for (const [measure, value] of Object.entries(all)) {
    const isKnown = measure === 'value' || Object.hasOwn(measures, measure)
    if (!isKnown || !Number.isFinite(value)) throw new TypeError(`${measure} is ${value}.`)
  }
  return all
}

module.exports = { alternate, inTurn }
