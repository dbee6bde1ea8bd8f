'use strict'

// `blender-pool` as somebody types it: a process of its own, in an empty folder.

const { spawn } = require('node:child_process')
const { mkdtempSync } = require('node:fs')
const { rm } = require('node:fs/promises')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

const BIN = join(__dirname, '..', '..', 'bin', 'blender-pool.js')

/** Call it once, at the top of a test file. */
function commandLine() {
  const folder = mkdtempSync(join(tmpdir(), 'blender-pool-stress-'))
  const running = new Set()

  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })

  /**
   * @param {string[]} args
   * @param {{ onStderr?: (text: string, child: import('node:child_process').ChildProcess) => void }} [while_]
   *   told of all that stderr has said so far
   */
  function command(args, { onStderr } = {}) {
    const child = spawn(process.execPath, [BIN, ...args], { cwd: folder })
    running.add(child)
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
      onStderr?.(stderr, child)
    })
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        running.delete(child)
        resolve({ code, signal, stdout, stderr })
      })
    })
  }

  return { command, folder }
}

module.exports = { commandLine }
