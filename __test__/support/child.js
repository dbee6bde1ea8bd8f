'use strict'

// A Node process of its own, for what only a process can show: how it ends, what it prints, what it
// leaves unhandled.

const { spawn } = require('node:child_process')
const { join } = require('node:path')

const ROOT = join(__dirname, '..', '..')

/** Comes before every script: its globals, and the two things that must never happen. */
const PRELUDE = `
  const { ConnectionPool, PoolError } = require(${JSON.stringify(ROOT)})
  const report = (values) => require('node:fs').writeSync(1, JSON.stringify(values) + '\\n')
  for (const event of ['unhandledRejection', 'uncaughtException']) {
    process.on(event, (error) => {
      require('node:fs').writeSync(2, event + ': ' + (error?.stack ?? error) + '\\n')
      process.exitCode = 70
    })
  }
`

/**
 * Runs a script to its end. It has `ConnectionPool`, `PoolError`, `address` and `report(values)`.
 * @param {string} script
 * @param {{ address?: string, env?: Record<string, string>, flags?: string[], limitMs?: number }} [settings] after
 *   `limitMs` it is killed, which shows as a signal
 */
function runScript(script, { address, env = {}, flags = [], limitMs = 15_000 } = {}) {
  const source = `${PRELUDE};const address = ${JSON.stringify(address)};\n${script}`
  return run([...flags, '--input-type=commonjs', '-e', source], { env, limitMs })
}

/** @param {string} script an ECMAScript module; the package is imported by its name */
function runModule(script, { limitMs = 15_000 } = {}) {
  return run(['--input-type=module', '-e', script], { env: {}, limitMs })
}

function run(args, { env, limitMs }) {
  const inherited = { ...process.env }
  for (const name of ['BLENDER_POOL_LOG', 'BLENDER_HOST', 'BLENDER_PORT', 'NODE_OPTIONS']) {
    delete inherited[name]
  }
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const reports = stdout
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line))
      resolve({ code, signal, stdout, stderr, reports })
    })
  })
}

module.exports = { runModule, runScript }
