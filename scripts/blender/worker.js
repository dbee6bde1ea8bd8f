'use strict'

/**
 * Starts `blender/worker.py`, waits until it listens, and stops it. The worker ends with this
 * process however that ends: it stops when its stdin does.
 */

const { spawn } = require('node:child_process')
const path = require('node:path')
const readline = require('node:readline')
const { binaryEnvironment } = require('./find.js')
const { explainMissing, missingLibraries } = require('./packages.js')
const { cleanEnvironment } = require('./run.js')

const WORKER = path.join(__dirname, '..', '..', 'blender', 'worker.py')
const LISTENING =
  /^blender-pool worker listening on \[?(.+?)\]?:(\d+) \(dialect (\S+), Blender (\S+), pid (\d+)\)$/
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 5_000
const KEPT_LINES = 40

/**
 * @typedef {object} Worker
 * @property {string} host
 * @property {number} port
 * @property {number} pid
 * @property {string} dialect
 * @property {string} version of Blender: `4.5.15`
 * @property {import('node:child_process').ChildProcess} process
 * @property {Promise<{ code: number | null, signal: string | null }>} exited
 * @property {() => Promise<void>} stop SIGTERM, and SIGKILL after 5 s; settles when it is gone
 */

/**
 * @param {object} options
 * @param {{ kind: 'blender', command: string, args: string[] } | { kind: 'bpy', python: string }} options.blender
 *   what findBlender() found
 * @param {number} [options.port] 0: any free one
 * @param {'worker' | 'blender-mcp'} [options.dialect]
 * @param {string[]} [options.extraArgs] more options of worker.py, such as `--empty`
 * @param {number} [options.timeoutMs] until it listens
 * @returns {Promise<Worker>} rejects with what Blender said when it does not start
 */
async function startWorker({
  blender,
  port = 0,
  dialect = 'worker',
  extraArgs = [],
  timeoutMs = START_TIMEOUT_MS,
}) {
  const options = ['--port', `${port}`, '--dialect', dialect, '--exit-with-parent', ...extraArgs]
  const child =
    blender.kind === 'bpy'
      ? spawn(blender.python, [WORKER, ...options], { env: cleanEnvironment(), windowsHide: true })
      : spawn(blender.command, [...blender.args, '--python', WORKER, '--', ...options], {
          env: binaryEnvironment(),
          windowsHide: true,
        })
  const exited = new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error }))
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  child.stdin.on('error', () => {}) // it may be gone before us

  const said = []
  const listening = new Promise((resolve) => {
    // Both are read to the end, always: a full pipe would stop Blender in the middle of a print.
    for (const stream of [child.stdout, child.stderr]) {
      readline.createInterface({ input: stream }).on('line', (line) => {
        const found = LISTENING.exec(line)
        if (found) resolve(found)
        said.push(line)
        if (said.length > KEPT_LINES) said.shift()
      })
    }
  })

  const stop = stopper(child, exited)
  let timer
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, timeoutMs, { late: true })
  })
  const first = await Promise.race([listening, exited, late])
  clearTimeout(timer)
  if (!Array.isArray(first)) {
    await stop()
    throw new Error(await explain(blender, first, said, timeoutMs))
  }

  // A worker that nobody stopped does not keep this process: it ends with it.
  for (const handle of [child, child.stdin, child.stdout, child.stderr]) handle.unref()
  const [, host, boundPort, spoken, version, pid] = first
  return {
    host,
    port: Number(boundPort),
    pid: Number(pid),
    dialect: spoken,
    version,
    process: child,
    exited,
    stop,
  }
}

function stopper(child, exited) {
  let stopping
  const end = async () => {
    child.ref()
    // Windows has no SIGTERM to catch; the end of stdin stops the worker there as cleanly.
    child.stdin.end()
    if (process.platform !== 'win32') child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }
  return () => {
    stopping ??= end()
    return stopping
  }
}

async function explain(blender, first, said, timeoutMs) {
  const output = said.join('\n')
  const missing = blender.kind === 'bpy' ? await missingLibraries(blender.folder ?? '', output) : []
  if (missing.length > 0) return explainMissing(missing)
  const what = blender.kind === 'bpy' ? blender.python : blender.command
  const why = first.late
    ? `it did not listen within ${timeoutMs} ms`
    : first.error
      ? first.error.message
      : `it ended with ${first.signal ?? `exit code ${first.code}`}`
  const tail = said.slice(-10).join('\n')
  return `No Blender worker could be started with ${what}: ${why}${tail ? `\n${tail}` : ''}`
}

module.exports = { startWorker }
