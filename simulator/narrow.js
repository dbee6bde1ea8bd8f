'use strict'

/** Starts and stops narrow_listener.py, and never leaves it behind. */

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { join } = require('node:path')
const { createInterface } = require('node:readline')

const SCRIPT = join(__dirname, 'narrow_listener.py')

/**
 * @param {import('./index').NarrowListenerOptions} [options]
 * @returns {Promise<import('./index').NarrowListener>}
 */
async function startNarrowListener({
  python = process.platform === 'win32' ? 'python' : 'python3',
  host = '127.0.0.1',
  port = 0,
  beatMs = 5,
} = {}) {
  const flags = ['--host', host, '--port', String(port), '--beat-ms', String(beatMs)]
  // Its input is our pipe: it ends with this process, however that ends.
  const child = spawn(python, ['-u', SCRIPT, ...flags, '--stop-on-eof'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaint += text
  })
  child.stdin.on('error', () => {}) // it may have died by itself
  /** @type {string[]} */
  const lines = []
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => lines.push(line))
  const exited = new Promise((resolve) => {
    child.once('error', (error) => {
      complaint += error.message
      resolve(undefined)
    })
    child.once('close', () => resolve(undefined))
  })

  let ended = false
  exited.then(() => {
    ended = true
  })
  const nextLine = () => Promise.race([once(reader, 'line'), exited])

  await nextLine()
  const bound = /^listening (\d+)$/.exec(lines[0] ?? '')?.[1]
  if (!bound) {
    child.kill()
    await exited
    throw new Error(`${python} could not run narrow_listener.py: ${complaint.trim()}`)
  }

  let awaited = 0
  const died = () => new Error(`narrow_listener.py died: ${complaint.trim()}`)
  return {
    host,
    port: Number(bound),
    address: host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`,
    pid: /** @type {number} */ (child.pid),
    async held() {
      awaited++
      while (lines.filter((line) => line === 'holding').length < awaited) {
        if (ended) throw died()
        await nextLine()
      }
    },
    async stop() {
      child.stdin.end()
      await exited
      const report = lines.at(-1) ?? ''
      if (!report.startsWith('{')) throw died()
      return JSON.parse(report)
    },
  }
}

module.exports = { startNarrowListener }
