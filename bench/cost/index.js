'use strict'
// @ts-check
// What the Rust core costs, in instructions: unlike times they are the same on a busy machine.
// `node bench/cost [file.json]`. Counts nothing where there is no valgrind, and says so.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const CRATE = path.join(__dirname, '..', 'rust')
const PROGRAM = path.join(CRATE, 'target', 'release', 'cost')
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

/** @param {string} program @param {string[]} given @param {import('node:child_process').SpawnSyncOptions} [options] */
function run(program, given, options) {
  const { status, error, stderr } = spawnSync(program, given, { ...options, encoding: 'utf8' })
  if (error || status !== 0) {
    throw new Error(`${program} ${given.join(' ')} failed: ${error?.message ?? stderr}`)
  }
  return stderr
}

/** @param {string} scene @param {number} rounds */
function instructions(scene, rounds) {
  const said = run('valgrind', [
    '--tool=callgrind',
    '--callgrind-out-file=/dev/null',
    PROGRAM,
    scene,
    String(rounds),
  ])
  const collected = /Collected : (\d+)/.exec(said)
  if (!collected) throw new Error(`callgrind did not say what it counted:\n${said}`)
  return Number(collected[1])
}

/** Instructions for one round of each scene; null without valgrind. */
function cost() {
  if (spawnSync('valgrind', ['--version']).error) return null
  run('cargo', ['build', '--release', '--bin', 'cost'], { cwd: CRATE })
  return Object.fromEntries(
    Object.keys(SCENES).map((scene) => [
      scene,
      Math.round((instructions(scene, MANY) - instructions(scene, FEW)) / (MANY - FEW)),
    ]),
  )
}

function main() {
  const counted = cost()
  if (!counted) {
    console.log('valgrind is not installed: no instructions were counted')
    return
  }
  for (const [scene, what] of Object.entries(SCENES)) {
    console.log(`${String(counted[scene]).padStart(7)} instructions: ${what}`)
  }
  const [file] = process.argv.slice(2)
  if (file) fs.writeFileSync(file, `${JSON.stringify(counted, null, 2)}\n`)
}

if (require.main === module) main()

module.exports = { cost, SCENES }
