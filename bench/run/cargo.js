// @ts-check
'use strict'
// Builds a program of bench/rust. Where there is no cargo, or its packages cannot be fetched, that cannot be measured;
// code that does not compile is an error.

const { execFile } = require('node:child_process')
const path = require('node:path')
const { promisify } = require('node:util')
const { Unmeasurable } = require('./unmeasurable')

const run = promisify(execFile)

const CRATE = path.join(__dirname, '../rust')
const ENOUGH = 64 * 2 ** 20

/**
 * @param {string} name of the program
 * @param {string[]} command of cargo
 * @returns {Promise<string>} its path
 */
async function built(name, command) {
  try {
    const options = { cwd: CRATE, maxBuffer: ENOUGH }
    const { stdout } = await run('cargo', [...command, '--message-format=json'], options)
    return programOf(name, stdout)
  } catch (error) {
    throw causeOf(/** @type {any} */ (error))
  }
}

/** @param {string} name @param {string} told one JSON document a line */
function programOf(name, told) {
  const messages = told.split('\n').filter((line) => line.startsWith('{'))
  const artifacts = messages.map((line) => JSON.parse(line))
  const found = artifacts.find(({ target, executable }) => target?.name === name && executable)
  if (found === undefined) throw new Error(`cargo built no ${name}.`)
  return found.executable
}

/** @param {Error & { code?: unknown, stderr?: string }} error */
function causeOf(error) {
  const { code, stderr = '' } = error
  if (code === 'ENOENT') return new Unmeasurable('cargo is not installed.', { cause: error })
  if (stderr === '') return error
  if (stderr.includes('could not compile')) return new Error(`bench/rust: ${stderr.trim()}`)
  const line = stderr.split('\n').find((text) => text.startsWith('error')) ?? 'it failed'
  return new Unmeasurable(`cargo cannot build bench/rust: ${line.replace(/^error: /, '')}`, {
    cause: error,
  })
}

module.exports = { CRATE, built, causeOf }
