'use strict'
// `npm test`: every kind of test the project has, in order, each under its heading; the last line is the
// sum. `npm test -- rust js` runs only the kinds named.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { root } = require('./addon.js')
const { env, hasCargo, MISSING } = require('./cargo.js')
const tally = require('./tally.js')

const inCI = Boolean(process.env.CI) && process.env.CI !== 'false'
const E2E_TESTS = '**/__test__/**/*.e2e.test.js'

/** Runs a command, showing its output as it comes and keeping it to be read. */
function run(command, args, extraEnv = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...env, ...extraEnv },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      from.setEncoding('utf8')
      from.on('data', (text) => {
        output += text
        to.write(text)
      })
    }
    child.on('error', (error) => {
      console.error(error.message)
      resolve({ ok: false, output })
    })
    child.on('close', (code) => resolve({ ok: code === 0, output }))
  })
}

async function cargoTest(...flags) {
  if (!hasCargo()) {
    console.error(MISSING)
    return tally.ofCheck(false)
  }
  const { ok, output } = await run('cargo', ['test', '--locked', ...flags])
  return tally.ofCargo(output, ok)
}

async function jest(...flags) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'blender-pool-jest-'))
  try {
    const report = path.join(scratch, 'report.json')
    const bin = path.join(root, 'node_modules/jest/bin/jest.js')
    const args = [bin, '--json', `--outputFile=${report}`, ...flags]
    const { ok } = await run(process.execPath, args)
    if (!fs.existsSync(report)) return tally.ofCheck(false)
    return tally.ofJest(JSON.parse(fs.readFileSync(report, 'utf8')), ok)
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true })
  }
}

async function tsc() {
  const bin = path.join(root, 'node_modules/typescript/bin/tsc')
  const { ok } = await run(process.execPath, [bin, '--noEmit', '-p', '.'])
  return tally.ofCheck(ok)
}

/** A Blender that is missing is a failure in CI and one loud line anywhere else. */
function withoutBlender(why) {
  if (inCI) {
    console.error(`no Blender to test against, and CI is set: ${why}`)
    return tally.ofCheck(false)
  }
  console.log(`SKIPPED: the end-to-end tests have no Blender to run against: ${why}`)
  return { passed: 0, failed: 0, skipped: 1 }
}

async function e2e() {
  const { findBlender } = require('./blender-env.js')
  let blender
  try {
    blender = await findBlender({ make: true, log: (line) => console.log(line) })
  } catch (error) {
    return withoutBlender(error.message)
  }
  const isModule = blender.kind === 'bpy'
  console.log(`Blender ${blender.version}, ${isModule ? blender.python : blender.command}`)
  const worker = await run(
    isModule ? blender.python : 'python3',
    ['blender/test_worker.py'],
    isModule ? { BLENDER_BIN: '' } : { BLENDER_BIN: blender.command },
  )
  return tally.sum([
    tally.ofUnittest(worker.output, worker.ok),
    await jest(`--testMatch=${E2E_TESTS}`),
  ])
}

const STEPS = [
  { kind: 'rust', title: 'Rust', test: () => cargoTest() },
  { kind: 'rust', title: 'Rust, without Node', test: () => cargoTest('--no-default-features') },
  { kind: 'js', title: 'JavaScript', test: () => jest(), needsAddon: true },
  { kind: 'types', title: 'Types', test: tsc, needsAddon: true },
  { kind: 'e2e', title: 'A real Blender', test: e2e, needsAddon: true },
]

/** JavaScript is tested against the Rust that is there now, not against the one built last week. */
async function addonIsBuilt() {
  const { ok } = await run(process.execPath, [path.join(__dirname, 'prepare.js')])
  return ok
}

async function main(kinds) {
  const unknown = kinds.filter((kind) => !STEPS.some((step) => step.kind === kind))
  if (unknown.length > 0) {
    console.error(`no such tests: ${unknown.join(', ')} (there are: rust, js, types, e2e)`)
    process.exitCode = 2
    return
  }
  const results = []
  let built
  for (const { kind, title, test, needsAddon } of STEPS) {
    if (kinds.length > 0 && !kinds.includes(kind)) continue
    console.log(`\n=== ${title}`)
    if (needsAddon) built ??= await addonIsBuilt()
    const result = needsAddon && !built ? tally.ofCheck(false) : await test()
    results.push(result)
    console.log(`--- ${title}: ${tally.line(result)}`)
  }
  const total = tally.sum(results)
  console.log(`\n${tally.line(total)}`)
  if (total.failed > 0) process.exitCode = 1
}

main(process.argv.slice(2))
