// @ts-check
'use strict'
// The scenarios, one file each, in the order of their numbers. What a scenario is stands here as types; one that
// does not keep to it is refused before anything is measured.

const fs = require('node:fs')
const path = require('node:path')

/**
 * What a round measured: the figure of the scenario, or that as `value` and others beside it by name.
 * @typedef {number | ({ value: number } & Record<string, number>)} Measured
 *
 * @typedef {object} Stand a contestant that is ready to run
 * @property {(round: number) => Measured | Promise<Measured>} round rounds count from 1; round 0 warms up and is thrown away
 * @property {() => unknown} [close]
 *
 * @typedef {object} Context
 * @property {boolean} full the long form, not the short one
 *
 * @typedef {object} Contestant
 * @property {string} name
 * @property {'ours' | 'peer' | 'reference'} [side] a reference is shown, and not compared with. By default ours if it
 *   is called `blender-pool` or that and more words, else a peer
 * @property {number} [upTo] it is not measured at sizes above this
 * @property {(size: number, context: Context) => Stand | Promise<Stand>} make
 *
 * @typedef {object} Reach what is to be reached by the first of ours: one of the four limits; with none of them it is
 *   shown, and not judged
 * @property {string} [measure] default: `value`
 * @property {number} [ratio] at most so much of the fastest peer
 * @property {number} [atMost]
 * @property {number} [atLeast]
 * @property {number} [growth] the exponent of the growth from the smallest to the largest size, at most
 * @property {number[]} [sizes] at these sizes only
 * @property {string} [versus] of a ratio: this peer instead of the fastest
 * @property {{ title: string, peers: string[] }} [among] of a ratio: the fastest of these instead of all
 *
 * @typedef {{ title: string, unit: string, better?: 'less' | 'more', aside?: boolean }} Measure `aside`: shown
 *   in tables only, and compared with nobody
 *
 * @typedef {object} Scenario
 * @property {number} number
 * @property {string} title
 * @property {string} [figure] what the figure is, where the title does not say it
 * @property {string} unit of the figure: ns, us, ms, s, count, KB, MB, percent
 * @property {'less' | 'more'} [better] default: less
 * @property {Reach | Reach[]} reach
 * @property {string} sides what both sides do, and what each peer is set to
 * @property {string} label what a size counts: slots, callers, MB
 * @property {number[]} sizes
 * @property {number[]} [shortSizes] those of the short form, where they are fewer
 * @property {{ short: number, full: number }} rounds
 * @property {Record<string, Measure>} [measures] what the others are that a round may give
 * @property {boolean} [warmUp] whether a round goes before the others and is thrown away; default: true
 * @property {(tell: (text: string) => void) => Promise<void>} [prepare] what has to be there beforehand, and is not
 *   timed; throws an `Unmeasurable` where it cannot be had
 * @property {boolean} [isolated] every contestant has a process of its own, for all its rounds
 * @property {Contestant[]} contestants ours first
 */

/** @param {string} file @returns {Scenario} */
function load(file) {
  const { scenario } = require(path.join(__dirname, file))
  const wrong = faultOf(scenario)
  if (wrong !== null) throw new TypeError(`bench/scenarios/${file}: ${wrong}`)
  return scenario
}

/** @param {any} scenario @returns {string | null} what is wrong with it */
function faultOf(scenario) {
  if (typeof scenario !== 'object' || scenario === null) return 'it exports no scenario'
  const { number, title, unit, reach, sides, label, sizes, rounds, contestants } = scenario
  if (!Number.isInteger(number)) return 'number is not one'
  for (const [name, text] of Object.entries({ title, unit, sides, label })) {
    if (typeof text !== 'string' || text === '') return `${name} is no text`
  }
  if (!Array.isArray(sizes) || sizes.length === 0) return 'sizes is no list'
  if (!(rounds?.short > 0 && rounds?.full > 0)) return 'rounds needs short and full'
  if (typeof reach !== 'object' || reach === null) return 'reach is missing'
  if (!Array.isArray(contestants) || contestants.length === 0) return 'nobody takes part'
  if (contestants.some(({ name, make }) => !name || typeof make !== 'function')) {
    return 'a contestant has no name or no make'
  }
  if (new Set(contestants.map(({ name }) => name)).size < contestants.length) {
    return 'two contestants have the same name'
  }
  if (sideOf(contestants[0]) !== 'ours') return 'the first contestant is not ours'
  const known = new Set(['value', ...Object.keys(scenario.measures ?? {})])
  const unknown = reachesOf(scenario).find(({ measure = 'value' }) => !known.has(measure))
  return unknown === undefined ? null : `reach names the unknown measure ${unknown.measure}`
}

/** @param {Contestant} contestant */
function sideOf({ name, side }) {
  return side ?? (/^blender-pool(?![\w-])/.test(name) ? 'ours' : 'peer')
}

/** @param {Scenario} scenario @returns {Reach[]} */
function reachesOf({ reach }) {
  return Array.isArray(reach) ? reach : [reach]
}

/** Their files, by number. */
function files() {
  const names = fs.readdirSync(__dirname).filter((name) => /^\d\d-[\w-]+\.js$/.test(name))
  return names.sort()
}

/** @returns {Scenario[]} */
function scenarios() {
  return files().map(load)
}

/** One of them, without loading the others. @param {number} number @returns {Scenario} */
function scenarioOf(number) {
  const file = files().find((name) => Number.parseInt(name, 10) === number)
  if (file === undefined) throw new RangeError(`There is no scenario ${number}.`)
  return load(file)
}

module.exports = { faultOf, reachesOf, scenarioOf, scenarios, sideOf }
