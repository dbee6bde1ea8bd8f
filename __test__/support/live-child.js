'use strict'

// A Node process that tells what it does line by line, and is spoken to with signals. The test waits for
// its lines, never for time.

const { spawn } = require('node:child_process')
const { EventEmitter, once } = require('node:events')
const { join } = require('node:path')
const { createInterface } = require('node:readline')
const { afterwards } = require('./stage')

const ROOT = join(__dirname, '..', '..')

/** Comes before every script. */
const PRELUDE = `
  const { ConnectionPool } = require('blender-pool')
  const server = require('blender-pool/health')
  const say = (line) => require('node:fs').writeSync(1, line + '\\n')
  /** Holds the process, as a listening server does. */
  const stay = () => setInterval(() => {}, 2 ** 30)
`

/**
 * @param {string} script it has `ConnectionPool`, `server`, `say(line)`, `stay()` and `address`; a
 *   module has none of them
 * @param {{ address?: string, env?: Record<string, string>, module?: boolean }} [settings]
 */
function liveChild(script, { address, env = {}, module = false } = {}) {
  const source = module
    ? script
    : `${PRELUDE};const address = ${JSON.stringify(address)};\n${script}`
  const kind = `--input-type=${module ? 'module' : 'commonjs'}`
  const child = spawn(process.execPath, [kind, '-e', source], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stderr, lines }))
  })
  afterwards(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const lines = []
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const news = new EventEmitter()
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    news.emit('line')
  })
  let closed = false
  child.on('close', () => {
    closed = true
    news.emit('line')
  })
  return {
    ended,
    kill: (signal) => child.kill(signal),
    /** Resolves, to the line, once it has said this one or one that fits. */
    said: async (wanted) => {
      const fits = (line) => (wanted instanceof RegExp ? wanted.test(line) : line === wanted)
      while (!lines.some(fits)) {
        if (closed) {
          throw new Error(`it ended without saying ${wanted}, but: ${lines.join(' | ')} ${stderr}`)
        }
        await once(news, 'line')
      }
      return lines.find(fits)
    },
  }
}

module.exports = { liveChild }
