// @ts-check
'use strict'
// What the Rust core costs, in instructions: unlike times they are the same on a busy machine.
// `node bench/cost [file.json]`. Counts nothing where there is no valgrind, and says so.

const { execFile } = require('node:child_process')
const fs = require('node:fs')
const { promisify } = require('node:util')
const { built } = require('../run/cargo')
const { Unmeasurable } = require('../run/unmeasurable')

const run = promisify(execFile)

// What both have in common, such as starting, cancels out.
const FEW = 2_000
const MANY = 12_000

/** What one round of each is. The names are those of `bench/rust/src/bin/cost.rs`. */
const SCENES = {
  acquire: 'an acquire and its release, with a slot to spare',
  queued:
    'the same for 64 tasks that share 16 slots: each waits, is handed a slot, and is switched to',
  command: 'a command and its reply over a socket, encoding and checking included',
}

/** @typedef {keyof typeof SCENES} Scene */

/** The path of what is counted; an `Unmeasurable` where it cannot be counted or built. */
async function program() {
  try {
    await run('valgrind', ['--version'])
  } catch (cause) {
    throw new Unmeasurable('valgrind is not installed.', { cause })
  }
  return await built('cost', ['build', '--release', '--bin', 'cost'])
}

/** @param {string} path @param {Scene} scene @param {number} rounds */
async function collected(path, scene, rounds) {
  const valgrind = ['--tool=callgrind', '--callgrind-out-file=/dev/null']
  const { stderr } = await run('valgrind', [...valgrind, path, scene, String(rounds)])
  const found = /Collected : (\d+)/.exec(stderr)
  if (!found) throw new Error(`callgrind did not say what it counted:\n${stderr}`)
  return Number(found[1])
}

/** Of one round. @param {string} path that of the program @param {Scene} scene */
async function instructions(path, scene) {
  const [many, few] = [await collected(path, scene, MANY), await collected(path, scene, FEW)]
  return Math.round((many - few) / (MANY - FEW))
}

/** @param {string | undefined} file */
async function main(file) {
  const path = await program()
  /** @type {Record<string, number>} */
  const counted = {}
  for (const [scene, what] of Object.entries(SCENES)) {
    counted[scene] = await instructions(path, /** @type {Scene} */ (scene))
    console.log(`${String(counted[scene]).padStart(7)} instructions: ${what}`)
  }
  if (file) fs.writeFileSync(file, `${JSON.stringify(counted, null, 2)}\n`)
}

if (require.main === module) {
  main(process.argv[2]).catch((error) => {
    if (!(error instanceof Unmeasurable)) throw error
    console.log(`No instructions were counted: ${error.message}`)
  })
}

module.exports = { SCENES, instructions, program }
