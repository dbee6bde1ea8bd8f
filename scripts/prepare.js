'use strict'
// `npm install` in a clone builds the addon, unless it is newer than its sources. npm never runs this
// for those who install the package from the registry: they get a binary that is already built.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const { addonFile, isStale, root } = require('./addon.js')
const { env, hasCargo, MISSING } = require('./cargo.js')

const NOT_BUILT = 'the addon is not built:'

function fail(why) {
  console.error(`\nblender-pool: ${why}\n`)
  process.exit(1)
}

/** Whether npm installs the clone into another project: it brings no development dependencies then. */
function isGuest() {
  const host = process.env.npm_config_local_prefix
  return host !== undefined && fs.realpathSync(host) !== fs.realpathSync(root)
}

function hasNapi() {
  try {
    require.resolve('@napi-rs/cli/package.json', { paths: [root] })
    return true
  } catch {
    return false
  }
}

function build() {
  const npm = process.env.npm_execpath
  const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []]
  return spawnSync(command, [...args, 'run', 'build'], {
    cwd: root,
    env,
    stdio: 'inherit',
    shell: !npm && process.platform === 'win32',
  })
}

// Packing and publishing take binaries from npm/<triple>, built elsewhere for every platform.
if (['pack', 'publish'].includes(process.env.npm_command) || !isStale()) process.exit(0)
if (!hasNapi() && isGuest()) {
  fail(
    `this clone is not built yet. Run "npm install" in ${root} (needs Rust), then install it again.`,
  )
}
if (!hasNapi()) {
  fail(`${NOT_BUILT} development dependencies are left out. Run \`npm install --include=dev\`.`)
}
if (!hasCargo()) fail(`${NOT_BUILT} ${MISSING}`)

console.log('blender-pool: building the addon (a minute or two the first time)')
const started = new Date()
if (build().status !== 0) fail(`${NOT_BUILT} the build failed; the reason is above.`)
// The time the build began, so that a source saved while it ran still counts as newer.
fs.utimesSync(addonFile(), started, started)
