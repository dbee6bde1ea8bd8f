'use strict'

/** What a Python on this machine is, and whether it has Blender as a module (`bpy`). */

const { accessSync, constants, readdirSync } = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { run } = require('./run.js')

const WINDOWS = process.platform === 'win32'

// find_spec, not import: it takes 20 ms instead of 400. A bpy written in Python is a package of
// stubs for editors, not a Blender.
const ASK = `
import importlib.metadata, importlib.util, json, os, struct, sys
spec = importlib.util.find_spec('bpy')
origin = spec.origin if spec and spec.origin and not spec.origin.endswith('.py') else None
try:
    version = importlib.metadata.version('bpy') if origin else None
except Exception:
    version = None
print(json.dumps({
    'python': sys.executable,
    'version': list(sys.version_info[:2]),
    'wide': struct.calcsize('P') == 8,
    'venv': all(importlib.util.find_spec(name) for name in ('venv', 'ensurepip')),
    'bpy': os.path.dirname(origin) if origin else None,
    'bpyVersion': version,
}))
`

/**
 * @param {string} python a path, or a name on PATH
 * @returns {Promise<{ python: string, version: [number, number], wide: boolean, venv: boolean,
 *   bpy: string | null, bpyVersion: string | null, why?: undefined } | { why: string }>}
 */
async function askPython(python) {
  const asked = await run(python, ['-c', ASK], { timeoutMs: 20_000 })
  if (!asked.ok) return { why: asked.why }
  try {
    return JSON.parse(asked.output.trim().split('\n').pop())
  } catch {
    return { why: `it is no Python: ${asked.output.slice(0, 80)}` }
  }
}

/** Where a program is, or null. Not a directory, and executable where that can be told. */
function onPath(name, env = process.env) {
  const names = WINDOWS ? [`${name}.exe`] : [name]
  for (const folder of (env.PATH ?? env.Path ?? '').split(path.delimiter)) {
    for (const file of names) {
      const full = path.join(folder, file)
      if (folder !== '' && isExecutable(full)) return full
    }
  }
  return null
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Every Python of one version (`3.11`) worth asking, by name and by where installers put it. */
function pythonsOf(version, env = process.env) {
  const names = [`python${version}`, 'python3', 'python']
  const found = names.map((name) => onPath(name, env))
  const home = os.homedir()
  const folders = [
    ...within(path.join(env.PYENV_ROOT ?? path.join(home, '.pyenv'), 'versions')),
    ...within(path.join(home, '.local', 'share', 'uv', 'python')),
  ].map((folder) => path.join(folder, 'bin'))
  folders.push('/usr/bin', '/usr/local/bin', '/opt/homebrew/bin')
  if (WINDOWS) {
    const short = `Python${version.replace('.', '')}`
    const programs = path.join(env.LOCALAPPDATA ?? home, 'Programs', 'Python', short)
    found.push(path.join(programs, 'python.exe'))
  }
  found.push(...folders.map((folder) => path.join(folder, `python${version}`)))
  return [...new Set(found)].filter((file) => file !== null && isExecutable(file))
}

function within(folder) {
  try {
    return readdirSync(folder).map((name) => path.join(folder, name))
  } catch {
    return []
  }
}

module.exports = { askPython, isExecutable, onPath, pythonsOf }
