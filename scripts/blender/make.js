'use strict'

/**
 * Makes the project's own Blender: `.blender-env`, a Python virtual environment with the bpy module.
 *
 * A virtual environment cannot be moved once it is made, so it is made in place: it counts only
 * once its marker `.complete` is there, and a half-made one is begun anew. A lock file, touched by
 * its holder, keeps two runs apart.
 */

const fs = require('node:fs')
const fsp = require('node:fs/promises')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { explainMissing, missingLibraries } = require('./packages.js')
const { askPython, pythonsOf } = require('./python.js')
const { run } = require('./run.js')

const FOLDER = path.join(__dirname, '..', '..', '.blender-env')
const MARKER = path.join(FOLDER, '.complete')
const LOCK = path.join(FOLDER, '.lock')
const PYTHON = path.join(
  FOLDER,
  ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']),
)

/** Which bpy goes with which Python: wheels exist for exactly these. Long-term versions only. */
const VERSIONS = [
  { python: '3.11', bpy: 'bpy==4.5.*' },
  { python: '3.13', bpy: 'bpy==5.2.*' },
]

// pip, ending when this process does (its stdin ends then): a second run may follow at once, and
// two of them in one folder damage it.
const PIP = `
import os, runpy, sys, threading
def watch():
    while os.read(0, 4096): pass
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
sys.argv[0] = 'pip'
runpy.run_module('pip', run_name='__main__', alter_sys=True)
`
const NEEDED_BYTES = 2.5e9 // while pip unpacks; 1 GB stays
const PAUSES_MS = [5_000, 20_000]
const STALE_LOCK_MS = 60_000
const TOUCH_MS = 5_000

/** The Python of a finished `.blender-env`, or null. */
function environmentPython() {
  return fs.existsSync(MARKER) && fs.existsSync(PYTHON) ? PYTHON : null
}

/**
 * Makes it unless it is there, and sees that it loads.
 * @param {{ log?: (line: string) => void }} [options]
 * @returns {Promise<string>} the path of its Python
 */
async function makeEnvironment({ log = () => {} } = {}) {
  for (let again = false; ; again = true) {
    if (environmentPython() === null) await installOnce(log)
    const trouble = await loadingTrouble()
    if (trouble === null) return PYTHON
    if (again || !trouble.damaged) throw new Error(trouble.message)
    log(`${trouble.message}; making it anew`)
  }
}

/** Of runs at the same time one installs, and the others wait for it. */
async function installOnce(log) {
  const base = await basePython()
  fs.mkdirSync(FOLDER, { recursive: true })
  const unlock = await lock(log)
  try {
    if (environmentPython() === null) await install(base, log)
  } finally {
    unlock()
  }
}

/** The Python to build on, and the bpy that goes with it. */
async function basePython() {
  const passed = []
  for (const { python, bpy } of VERSIONS) {
    for (const candidate of pythonsOf(python)) {
      const found = await askPython(candidate)
      if (found.why || found.version.join('.') !== python) continue
      if (found.wide && found.venv) return { python: found.python, bpy, version: python }
      passed.push(
        found.wide
          ? `${candidate} has no venv module (Debian: apt-get install -y python${python}-venv)`
          : `${candidate} is a 32-bit Python`,
      )
    }
  }
  throw new Error(
    'There is no Blender here, and none can be installed as a Python module: ' +
      `Python ${VERSIONS.map(({ python }) => python).join(' or ')} is needed. ` +
      (passed.length > 0 ? `Passed over: ${passed.join('; ')}. ` : '') +
      'Or set BLENDER_BIN to a Blender 3.6 or newer.',
  )
}

async function install({ python, bpy, version }, log) {
  const { bavail, bsize } = await fsp.statfs(FOLDER)
  if (bavail * bsize < NEEDED_BYTES) {
    throw new Error(`Too little room in ${FOLDER}: 2.5 GB are needed to install Blender there.`)
  }
  log(`installing Blender as a Python ${version} module in ${FOLDER} (about 1 GB, once)`)
  for (const name of await fsp.readdir(FOLDER)) {
    // Retried: what a killed run had started may write for a moment longer.
    const patiently = { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }
    if (name !== path.basename(LOCK)) await fsp.rm(path.join(FOLDER, name), patiently)
  }
  const made = await run(python, ['-m', 'venv', FOLDER])
  if (!made.ok) throw new Error(`${python} -m venv ${FOLDER} failed: ${made.why}`)

  const began = Date.now()
  const pip = ['-c', PIP, 'install', '--no-input', '--disable-pip-version-check']
  const manner = ['--only-binary', ':all:', '--progress-bar', 'off']
  const patience = ['--retries', '10', '--timeout', '120']
  const onLine = (line) => /^(Collecting|Installing|\s*Downloading) /.test(line) && log(line.trim())
  for (let attempt = 0; ; attempt += 1) {
    const installed = await run(PYTHON, [...pip, ...manner, ...patience, bpy], {
      onLine,
      holdStdin: true,
    })
    if (installed.ok) break
    const errors = installed.output.split('\n').filter((line) => /^\s*error:/i.test(line))
    const why = errors.pop()?.trim() ?? installed.why
    const noWheel = /no matching distribution/i.test(why)
    if (noWheel || attempt === PAUSES_MS.length) {
      const where = `${process.platform} ${process.arch}`
      throw new Error(
        noWheel
          ? `There is no ${bpy} for Python ${version} on ${where}, or the package index cannot be reached: ${why}`
          : `pip could not install ${bpy}: ${why}`,
      )
    }
    log(`pip failed (${why}); again in ${PAUSES_MS[attempt] / 1000} s`)
    await sleep(PAUSES_MS[attempt])
  }
  const trouble = await loadingTrouble()
  if (trouble?.damaged) throw new Error(trouble.message)
  await fsp.writeFile(MARKER, `${bpy}\n`)
  log(`Blender installed in ${Math.round((Date.now() - began) / 1000)} s`)
}

/**
 * Null when bpy loads. `damaged`: it must be made anew; otherwise system libraries are missing.
 * @returns {Promise<{ damaged: boolean, message: string } | null>}
 */
async function loadingTrouble() {
  const loaded = await run(PYTHON, ['-c', 'import bpy; bpy.app.version'], { timeoutMs: 120_000 })
  if (loaded.ok) return null
  const { bpy } = await askPython(PYTHON)
  const missing = bpy ? await missingLibraries(bpy, loaded.output) : []
  if (missing.length > 0) return { damaged: false, message: explainMissing(missing) }
  await fsp.rm(MARKER, { force: true })
  return { damaged: true, message: `${FOLDER} is damaged (${loaded.why})` }
}

/** @returns {Promise<() => void>} what gives the lock back */
async function lock(log) {
  const own = `${os.hostname()} ${process.pid} ${Date.now()}\n`
  for (let waited = false; ; waited = true) {
    try {
      fs.writeFileSync(LOCK, own, { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (!breakStaleLock()) {
      if (!waited) log(`another run is making ${FOLDER}: waiting for it`)
      await sleep(500)
    }
  }
  const touching = setInterval(() => {
    const now = new Date()
    fs.utimes(LOCK, now, now, () => {})
  }, TOUCH_MS)
  touching.unref()
  return () => {
    clearInterval(touching)
    fs.rmSync(LOCK, { force: true })
  }
}

/** Whether the lock's holder was gone and the lock is free. */
function breakStaleLock() {
  try {
    const held = fs.readFileSync(LOCK, 'utf8')
    const [host, pid] = held.split(' ')
    const age = Date.now() - fs.statSync(LOCK).mtimeMs
    const dead = host === os.hostname() && !isAlive(Number(pid))
    if (age < STALE_LOCK_MS && !dead) return false
    // Renamed, then looked at, not removed: another run may have broken it and made its own since.
    const aside = `${LOCK}.${process.pid}`
    fs.renameSync(LOCK, aside)
    const stale = fs.readFileSync(aside, 'utf8') === held
    if (!stale) fs.linkSync(aside, LOCK)
    fs.rmSync(aside, { force: true })
    return stale
  } catch (error) {
    if (error.code === 'ENOENT') return true
    throw error
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

module.exports = { environmentPython, makeEnvironment }
