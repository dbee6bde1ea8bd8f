'use strict'
// Where cargo is, and how it is called. Rust installed a minute ago is not yet on this shell's PATH,
// so the place rustup puts it is looked at too.

const { spawnSync } = require('node:child_process')
const os = require('node:os')
const path = require('node:path')

const cargoBin = path.join(process.env.CARGO_HOME || path.join(os.homedir(), '.cargo'), 'bin')

const env = {
  ...process.env,
  PATH: `${process.env.PATH}${path.delimiter}${cargoBin}`,
  CARGO_NET_RETRY: process.env.CARGO_NET_RETRY || '10',
}

const MISSING =
  'no `cargo` was found. Install Rust (https://rustup.rs), then run this again. ' +
  'Only a clone needs Rust: the package from npm brings its binary.'

function hasCargo() {
  return spawnSync('cargo', ['--version'], { env, stdio: 'ignore' }).status === 0
}

module.exports = { env, hasCargo, MISSING }
