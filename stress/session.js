// @ts-check
'use strict'
// A whole run: the scenarios one after another, each with a pool of its own, and what came of them. Whatever
// happens in a scenario is a result; only what keeps the run from taking place is thrown.

const os = require('node:os')
const { version } = require('../package.json')
const { play } = require('./play')
const { Random } = require('./random')
const { scenariosOf } = require('./scenarios')
const { worst } = require('./verdict')

/** What its operations may take in all, one after another: a slow Blender gets fewer. */
const BUDGET_MS = 3000
const FEWEST = 20

/**
 * @typedef {object} Settings
 * @property {typeof import('./scenarios').MODES[number]} mode
 * @property {string[]} endpoints
 * @property {string} dialect
 * @property {number} connections
 * @property {number} callers
 * @property {number} operations
 * @property {number} durationMs
 * @property {number} seed
 * @property {boolean} allowRemote
 */

/** @typedef {Awaited<ReturnType<typeof runSession>>} Result */

/**
 * @param {Settings} settings
 * @param {import('./endpoint').Endpoint} endpoint
 * @param {import('./play').Around} around
 */
async function runSession(settings, endpoint, around) {
  const began = new Date()
  const scenarios = scenariosOf(settings.mode)
  const served = Math.max(1, settings.endpoints.length)
  const bearable = Math.max(FEWEST, Math.floor((served * BUDGET_MS) / endpoint.plainMs))
  const operations = Math.min(settings.operations, bearable)
  const connections = Math.min(settings.connections, served * endpoint.speech.connections)
  /** @type {import('./play').Played[]} */
  const played = []
  for (const [place, scenario] of scenarios.entries()) {
    if (around.signal.aborted) break
    around.watch.begin(scenario.title, place + 1, scenarios.length)
    const room = { ...settings, operations, connections, random: new Random(settings.seed + place) }
    const one = await play(scenario, room, endpoint, around)
    played.push(one)
    around.watch.end(one)
    if (one.away) break
  }
  return {
    tool: 'blender-pool stress',
    version,
    startedAt: began.toISOString(),
    durationMs: Date.now() - began.getTime(),
    machine: {
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      cpus: os.cpus().length,
      cpu: os.cpus()[0]?.model.trim() ?? '',
      load: os.loadavg()[0],
    },
    settings: { ...settings, operations, connections, asked: settings.operations },
    endpoint: {
      kind: endpoint.kind,
      title: endpoint.title,
      dialect: endpoint.dialect,
      plainMs: endpoint.plainMs,
      marks: endpoint.speech.way,
    },
    planned: scenarios.length,
    ...cutShort(scenarios.length, played, endpoint, around.signal),
    verdict: worst(played.map(({ verdict }) => verdict.level)),
    scenarios: played,
  }
}

/**
 * Where a run that did not play everything ended. The scenario that was cut does not count as played.
 * @param {number} planned
 * @param {import('./play').Played[]} played
 * @param {import('./endpoint').Endpoint} endpoint
 * @param {AbortSignal} signal
 */
function cutShort(planned, played, { kind, title }, signal) {
  const whole = played.filter(({ interrupted, away }) => !interrupted && !away).length
  const interrupted = signal.aborted && whole < planned
  const where = `in scenario ${whole + 1} of ${planned}`
  const away = played.at(-1)?.away
  if (!away)
    return { interrupted, whole, ended: interrupted ? `interrupted ${where}` : null, away: null }
  const who = kind === 'given' ? `Blender at ${title}` : 'The simulated Blender'
  const what = away.silent ? 'stopped answering' : 'went away'
  const left = planned - whole - 1
  const rest =
    left === 0 ? '' : ` The remaining ${left === 1 ? 'one was' : `${left} were`} not played.`
  const again = `${who} ${what} ${where} (${away.cause}).${rest} Start it again.`
  return { interrupted, whole, ended: `Blender ${what} ${where}`, away: again }
}

module.exports = { runSession }
