'use strict'

/**
 * Runs a program to its end and gathers what it said. It never rejects: a program that is not there
 * is an answer, too.
 */

const { spawn } = require('node:child_process')
const readline = require('node:readline')

/**
 * The environment without what makes one Python load another one's modules.
 * @param {NodeJS.ProcessEnv} env
 */
function cleanEnvironment(env = process.env) {
  const clean = { ...env }
  for (const name of Object.keys(clean)) {
    if (/^PYTHON/.test(name) || name === 'VIRTUAL_ENV' || name === '__PYVENV_LAUNCHER__') {
      delete clean[name]
    }
  }
  return clean
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{ timeoutMs?: number, env?: NodeJS.ProcessEnv, holdStdin?: boolean,
 *   onLine?: (line: string) => void }} [options] `holdStdin`: its stdin ends when this process does
 * @returns {Promise<{ ok: boolean, code: number | null, output: string, why: string }>}
 *   `output`: stdout and stderr as they came; `why`: one line when not ok
 */
function run(command, args, { timeoutMs = 0, env = cleanEnvironment(), holdStdin, onLine } = {}) {
  return new Promise((resolve) => {
    const lines = []
    const child = spawn(command, args, {
      env,
      stdio: [holdStdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      windowsHide: true,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    for (const stream of [child.stdout, child.stderr]) {
      readline.createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        onLine?.(line)
      })
    }
    const settle = (code, failure) => {
      const output = lines.join('\n')
      const last = lines.findLast((line) => line.trim() !== '') ?? ''
      const why = code === 0 ? '' : (failure ?? `exit code ${code}: ${last.trim()}`)
      resolve({ ok: code === 0, code, output, why })
    }
    child.once('error', (error) => settle(null, error.message))
    child.once('close', (code, signal) => {
      const slow = signal === 'SIGKILL' && timeoutMs > 0
      settle(
        code,
        slow ? `no answer within ${timeoutMs} ms` : signal ? `killed by ${signal}` : undefined,
      )
    })
  })
}

module.exports = { cleanEnvironment, run }
