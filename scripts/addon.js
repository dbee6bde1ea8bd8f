'use strict'
// The addon a clone builds for the machine it stands on: its file name, and whether it is older than
// what it is built from.

const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..')
const SOURCES = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'src']
const GENERATED = ['binding.js', 'binding.d.ts']

/** `linux-x64-gnu`, `darwin-arm64`, `win32-x64-msvc`: the folder under npm/ and the addon's suffix. */
function triple() {
  const machine = `${process.platform}-${process.arch}`
  if (process.platform === 'win32') return `${machine}-msvc`
  if (process.platform !== 'linux') return machine
  return `${machine}-${process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl'}`
}

function addonFile() {
  return path.join(root, `blender-pool.${triple()}.node`)
}

/** Folders count too: theirs is the time that changes when a file is deleted. */
function newest(file) {
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  if (!stat) return 0
  if (!stat.isDirectory()) return stat.mtimeMs
  return fs
    .readdirSync(file)
    .reduce((latest, name) => Math.max(latest, newest(path.join(file, name))), stat.mtimeMs)
}

function isStale() {
  const built = [addonFile(), ...GENERATED.map((name) => path.join(root, name))]
  if (!built.every((file) => fs.existsSync(file))) return true
  const sources = Math.max(...SOURCES.map((name) => newest(path.join(root, name))))
  return fs.statSync(addonFile()).mtimeMs < sources
}

module.exports = { root, triple, addonFile, isStale }
