'use strict'
// What `npm install` says of a clone that is not built and cannot be built here.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { root } = require('../scripts/addon.js')

let clone

beforeAll(() => {
  clone = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'blender-pool-clone-')))
  fs.mkdirSync(path.join(clone, 'scripts'))
  for (const name of ['addon.js', 'cargo.js', 'prepare.js']) {
    const file = path.join('scripts', name)
    fs.copyFileSync(path.join(root, file), path.join(clone, file))
  }
})

afterAll(() => fs.rmSync(clone, { recursive: true, force: true }))

/** What is said, with nothing of the npm that this test may be running under. */
function prepareFor(project) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_PATH$)/i.test(name))
  const env = { ...Object.fromEntries(kept), npm_config_local_prefix: project }
  const script = path.join(clone, 'scripts/prepare.js')
  const { status, stderr } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' })
  expect(status).toBe(1)
  return stderr.trim()
}

test('installed into another project, it says where to build it first', () => {
  expect(prepareFor(os.tmpdir())).toBe(
    `blender-pool: this clone is not built yet. Run "npm install" in ${clone} (needs Rust), then install it again.`,
  )
})

test('without development dependencies, it says how to get them', () => {
  expect(prepareFor(clone)).toContain('npm install --include=dev')
})
