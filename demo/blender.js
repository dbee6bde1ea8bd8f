'use strict'

/** The Blender that the demo works with: one that is there, one it starts, or the simulator. */

const { fork } = require('node:child_process')
const path = require('node:path')
const { ConnectionPool } = require('..')
const { findBlender, startWorker } = require('../scripts/blender-env.js')
const { canPlay } = require('./sculpture.js')

const ANSWER_MS = 10_000
const STOP_MS = 1_000

/**
 * @typedef {object} Blender
 * @property {'addon' | 'worker' | 'simulator'} kind
 * @property {string} title what it is, for people
 * @property {string} address
 * @property {string} dialect
 * @property {() => Promise<void>} stop ends what the demo started, and nothing else
 */

/**
 * @param {{ install: boolean, simulator: boolean }} wanted
 * @param {(line: string) => void} say
 * @returns {Promise<Blender>}
 */
async function openBlender({ install, simulator }, say) {
  if (simulator) return simulated()
  const log = install ? say : undefined
  let found = await findBlender({ addon: true, make: install, log })
  if (found?.kind === 'addon') {
    const blender = await askAddon(found, say)
    if (blender) return blender
    found = await findBlender({ make: install, log })
  }
  if (found) {
    try {
      return await worker(found)
    } catch (error) {
      say(error.message)
    }
  }
  say('')
  say('No Blender was found, so the simulator stands in for one.')
  say('For the real thing: npm run demo -- --install-blender (about 1 GB, once),')
  say('or BLENDER_BIN=/path/to/blender npm run demo, or start Blender with an MCP add-on.')
  return simulated()
}

/** Null when what listens there is no add-on the demo can play with, unless it was asked for by name. */
async function askAddon({ host, port }, say) {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const pool = new ConnectionPool({ endpoints: address, maxConnections: 1, allowRemote: true })
  try {
    const dialect = await pool.use(async (held) => held.dialect, { timeoutMs: ANSWER_MS })
    if (!canPlay(dialect)) throw new Error(`${dialect} does not run the demo's Python`)
    const title = 'an add-on that listens already'
    return { kind: 'addon', title, address, dialect, stop: async () => {} }
  } catch (error) {
    if (process.env.BLENDER_HOST || process.env.BLENDER_PORT) throw error
    say(`Something listens at ${address}, but it is passed over: ${error.message}`)
    return null
  } finally {
    await pool.close({ force: true })
  }
}

async function worker(found) {
  const started = await startWorker({ blender: found })
  const { host, port, dialect, version } = started
  // In the middle of a render Blender hears no signal, and there is nothing here worth its while.
  const stop = async () => {
    const timer = setTimeout(() => started.process.kill('SIGKILL'), STOP_MS)
    await started.stop()
    clearTimeout(timer)
  }
  const title = `Blender ${version}, headless, started for this`
  return { kind: 'worker', title, address: `${host}:${port}`, dialect, stop }
}

/** In a process of its own, as a Blender is: what blocks this one does not block it. */
async function simulated() {
  const child = fork(path.join(__dirname, 'simulated.js'), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const { address, dialect } = await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the simulator ended with exit code ${code}`)))
  })
  const stop = async () => {
    if (child.connected) child.disconnect()
    await ended
  }
  return { kind: 'simulator', title: 'the simulator, not a real Blender', address, dialect, stop }
}

module.exports = { openBlender }
