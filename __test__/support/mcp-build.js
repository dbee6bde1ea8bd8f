'use strict'

// The server of examples/mcp-server as a user has it: in a project of its own, with its dependencies in
// node_modules, compiled by its own tsconfig.json.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const ROOT = path.join(__dirname, '..', '..')
const EXAMPLE = path.join(ROOT, 'examples', 'mcp-server')
const TSC = require.resolve('typescript/bin/tsc')

/** What its package.json asks for, taken from where this repository has it. */
const DEPENDENCIES = {
  'blender-pool': ROOT,
  '@modelcontextprotocol/sdk': path.join(ROOT, 'node_modules/@modelcontextprotocol/sdk'),
  zod: path.join(ROOT, 'node_modules/zod'),
  '@types/node': path.join(ROOT, 'node_modules/@types/node'),
  typescript: path.join(ROOT, 'node_modules/typescript'),
}

/**
 * @param {{ checked?: boolean }} [options] whether its types are checked, which takes ten times as long
 * @returns {{ main: string, complaints: string, remove: () => void }} what tsc has against it; empty: nothing
 */
function buildServer({ checked = false } = {}) {
  const project = fs.mkdtempSync(path.join(os.tmpdir(), 'blender-pool-mcp-'))
  for (const part of ['package.json', 'tsconfig.json', 'src', 'python']) {
    fs.cpSync(path.join(EXAMPLE, part), path.join(project, part), { recursive: true })
  }
  const { dependencies, devDependencies } = require(path.join(EXAMPLE, 'package.json'))
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    const link = path.join(project, 'node_modules', name)
    fs.mkdirSync(path.dirname(link), { recursive: true })
    fs.symlinkSync(DEPENDENCIES[name], link, 'junction')
  }
  const flags = checked ? [] : ['--noCheck', '--noResolve']
  const args = [TSC, '-p', project, ...flags]
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  return {
    main: path.join(project, 'dist', 'main.js'),
    complaints: stdout,
    remove: () => fs.rmSync(project, { recursive: true, force: true }),
  }
}

module.exports = { buildServer }
