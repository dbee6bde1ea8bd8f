// @ts-check
'use strict'
// What the figures were measured on, and with which versions.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const MODULES = path.join(__dirname, '../../node_modules')
const CRATES = path.join(__dirname, '../rust/Cargo.lock')
const RUST_PEERS = ['bb8', 'deadpool', 'fastpool', 'mobc', 'qp']
const PEERS = [
  'async-sema',
  'bottleneck',
  'generic-pool',
  'lightning-pool',
  'p-limit',
  'p-queue',
  'pg-pool',
  'tarn',
]

/** @typedef {ReturnType<typeof machine>} Machine */

function machine() {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    v8: process.versions.v8,
    rust: rust(),
    version: require('../../package.json').version,
    peers: { ...Object.fromEntries(PEERS.map((name) => [name, versionOf(name)])), ...crates() },
  }
}

/** Read from its file: some do not let their package.json be required. @param {string} name @returns {string} */
function versionOf(name) {
  return JSON.parse(fs.readFileSync(path.join(MODULES, name, 'package.json'), 'utf8')).version
}

/** The versions of the pools for Rust. @returns {Record<string, string>} */
function crates() {
  const locked = fs.readFileSync(CRATES, 'utf8').matchAll(/name = "(.+)"\nversion = "(.+)"/g)
  const all = Object.fromEntries([...locked].map(([, name, version]) => [name, version]))
  return Object.fromEntries(RUST_PEERS.map((name) => [name, all[name]]))
}

/** The compiler that is here, which built the addon unless that came from elsewhere. */
function rust() {
  try {
    return execFileSync('rustc', ['--version'], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return null
  }
}

/** How many processes want a processor: over the last minute. */
const load = () => Math.round(os.loadavg()[0] * 100) / 100

module.exports = { load, machine }
