// @ts-check
'use strict'
// One scene of the Rust benchmarks, timed by criterion for as long as it is told.

const { execFile } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { promisify } = require('node:util')
const { CRATE } = require('./cargo')

const run = promisify(execFile)

/** @typedef {{ warmUpS: number, measureS: number, samples: number }} Profile */
/** @typedef {{ median: number, low: number, high: number }} Estimate ns; low and high: its interval of confidence */

/**
 * @param {string} program
 * @param {string} scene its full name
 * @param {Profile} profile
 * @returns {Promise<Estimate>}
 */
async function timed(program, scene, { warmUpS, measureS, samples }) {
  // Of its own, so that it compares with no run of before.
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'blender-pool-bench-'))
  const settings = {
    '--warm-up-time': warmUpS,
    '--measurement-time': measureS,
    '--sample-size': samples,
    '--nresamples': 1_000,
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [name, String(value)])
  try {
    await run(program, ['--bench', '--noplot', ...args, '--exact', scene], {
      cwd: CRATE,
      env: { ...process.env, CRITERION_HOME: home },
    })
    return estimateIn(home, scene)
  } finally {
    fs.rmSync(home, { recursive: true, force: true })
  }
}

/** @param {string} home @param {string} scene @returns {Estimate} */
function estimateIn(home, scene) {
  const files = fs.readdirSync(home, { recursive: true, encoding: 'utf8' })
  const found = files.filter((name) => name.endsWith(path.join('new', 'estimates.json')))
  if (found.length !== 1) throw new Error(`criterion measured ${found.length} scenes as ${scene}.`)
  const { median } = JSON.parse(fs.readFileSync(path.join(home, found[0]), 'utf8'))
  const { lower_bound: low, upper_bound: high } = median.confidence_interval
  return { median: median.point_estimate, low, high }
}

module.exports = { timed }
