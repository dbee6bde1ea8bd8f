'use strict'

/**
 * Finds a Blender: an add-on that listens, a Blender binary, or a Python that has Blender as a
 * module. It starts none; `worker.js` does. What was looked at and passed over is told to `log`.
 */

const { readdirSync } = require('node:fs')
const net = require('node:net')
const path = require('node:path')
const { environmentPython, makeEnvironment } = require('./make.js')
const { askPython, isExecutable, onPath } = require('./python.js')
const { cleanEnvironment, run } = require('./run.js')

const OLDEST = [3, 6]
const PYTHONS = ['python3', 'python3.11', 'python3.13', 'python']

/**
 * @typedef {{ kind: 'addon', host: string, port: number }} Addon
 * @typedef {{ kind: 'blender', command: string, args: string[], version: string }} Binary
 * @typedef {{ kind: 'bpy', python: string, version: string | null, folder: string }} Module
 */

/**
 * @param {object} [options]
 * @param {boolean} [options.addon] look for an add-on at BLENDER_HOST:BLENDER_PORT first. A Blender
 *   that a person works in may stand behind it
 * @param {boolean} [options.make] install Blender as a Python module where nothing else is found
 * @param {(line: string) => void} [options.log]
 * @returns {Promise<Addon | Binary | Module | null>} rejects when a Blender that was named
 *   (BLENDER_BIN, BLENDER_PYTHON) cannot be used, or when making one fails
 */
async function findBlender({ addon = false, make = false, log = () => {} } = {}) {
  return (
    (addon ? await findAddon(log) : null) ??
    (await findBinary(log)) ??
    (await findModule(log)) ??
    (make ? await madeModule(log) : null)
  )
}

async function findAddon(log) {
  const host = process.env.BLENDER_HOST || 'localhost'
  const port = Number(process.env.BLENDER_PORT || 9876)
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Error(`BLENDER_PORT must be a port from 1 to 65535, not ${process.env.BLENDER_PORT}`)
  }
  const why = await new Promise((resolve) => {
    const socket = net.connect({ host, port })
    socket.setTimeout(1000, () => socket.destroy(new Error('no answer within 1 s')))
    socket.once('connect', () => resolve(''))
    socket.once('error', (error) => resolve(error.code ?? error.message))
    socket.once('connect', () => socket.destroy())
  })
  if (why === '') return { kind: 'addon', host, port }
  log(`nothing listens at ${host}:${port} (${why})`)
  return null
}

async function findBinary(log) {
  const named = process.env.BLENDER_BIN
  if (named) {
    const found = await askBlender(named)
    if (found.why) throw new Error(`BLENDER_BIN=${named} cannot be used: ${found.why}`)
    return found
  }
  for (const command of [onPath('blender'), ...installedBlenders()]) {
    if (command === null || !isExecutable(command)) continue
    const found = await askBlender(command)
    if (!found.why) return found
    log(`${command} passed over: ${found.why}`)
  }
  return null
}

/** Where the installers of systems put it that do not use PATH. Newest first. */
function installedBlenders() {
  if (process.platform === 'darwin') return ['/Applications/Blender.app/Contents/MacOS/Blender']
  if (process.platform !== 'win32') return []
  const folder = path.join(process.env.ProgramFiles ?? 'C:\\Program Files', 'Blender Foundation')
  try {
    const versions = readdirSync(folder).sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    return versions.map((version) => path.join(folder, version, 'blender.exe'))
  } catch {
    return []
  }
}

async function askBlender(command) {
  const env = binaryEnvironment()
  const asked = await run(command, ['--version'], { timeoutMs: 30_000, env })
  const version = /^Blender (\d+)\.(\d+)(\.\d+)?/m.exec(asked.output)
  if (!version) return { why: asked.why || 'it does not tell its version' }
  const [major, minor] = [Number(version[1]), Number(version[2])]
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    return { why: `Blender ${major}.${minor} is older than ${OLDEST.join('.')}` }
  }
  return {
    kind: 'blender',
    command,
    // Factory start-up: the user's own add-ons must not open port 9876 in a second Blender.
    args: ['--background', '--factory-startup', '--python-exit-code', '1'],
    version: version[0].slice('Blender '.length),
  }
}

/** A distribution's Blender runs the first python3 on PATH, whichever that is: only the system's. */
function binaryEnvironment() {
  const env = cleanEnvironment()
  if (process.platform === 'linux') env.PATH = '/usr/local/bin:/usr/bin:/bin'
  return env
}

async function findModule(log) {
  const named = process.env.BLENDER_PYTHON
  if (named) {
    const found = await moduleOf(named)
    if (found.why) throw new Error(`BLENDER_PYTHON=${named} cannot be used: ${found.why}`)
    return found
  }
  const own = environmentPython()
  const pythons = [own, ...PYTHONS.map((name) => onPath(name))].filter(Boolean)
  const asked = await Promise.all([...new Set(pythons)].map(moduleOf))
  const found = asked.find((answer) => !answer.why)
  if (!found) log('no Python with the bpy module')
  return found ?? null
}

async function madeModule(log) {
  const found = await moduleOf(await makeEnvironment({ log }))
  if (found.why) throw new Error(found.why)
  return found
}

async function moduleOf(python) {
  const found = await askPython(python)
  if (found.why) return found
  if (!found.bpy) return { why: 'it has no bpy module' }
  return { kind: 'bpy', python: found.python, version: found.bpyVersion, folder: found.bpy }
}

module.exports = { binaryEnvironment, findBlender }
