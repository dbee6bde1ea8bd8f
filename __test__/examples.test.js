'use strict'

// The example of the README is TypeScript as it stands there: it must compile, run, and say what it promises.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { text } = require('node:stream/consumers')
const ts = require('typescript')
const { simulator } = require('./support/stage')

const ROOT = join(__dirname, '..')
const FILE = join(ROOT, 'examples', 'quick-start.ts')
const SOURCE = readFileSync(FILE, 'utf8')

/** What somebody with a strict, modern project has. */
const OPTIONS = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  types: ['node'],
  strict: true,
  noEmit: true,
}

/** As an ECMAScript module in the root, where the package finds itself by its own name. */
function compile(source) {
  const compilerOptions = { ...OPTIONS, module: ts.ModuleKind.ES2022 }
  return ts.transpileModule(source, { compilerOptions }).outputText
}

async function run(script, env) {
  const args = ['--input-type=module', '-e', script]
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env } })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}

test('quick-start.ts has the right types', () => {
  // The repository is a CommonJS package; the example belongs to an ECMAScript module.
  const host = ts.createCompilerHost(OPTIONS)
  const module = FILE.replace(/\.ts$/, '.mts')
  const { fileExists, readFile } = host
  host.fileExists = (name) => name === module || fileExists(name)
  host.readFile = (name) => (name === module ? SOURCE : readFile(name))
  const program = ts.createProgram([module], OPTIONS, host)
  const wrong = ts.getPreEmitDiagnostics(program)
  expect(ts.formatDiagnostics(wrong, { ...host, getCanonicalFileName: String })).toBe('')
})

test('quick-start.ts runs and says what it does', async () => {
  const blender = await simulator()
  const { host, port } = blender
  // The simulator does not run Python: a fault stands for what is slow.
  blender.setFaults({
    match: ({ params }) => params?.code?.includes('slow') === true,
    delayMs: 1_000,
  })
  const env = { BLENDER_HOST: host, BLENDER_PORT: `${port}` }
  const { code, stdout, stderr } = await run(compile(SOURCE), env)
  expect(stderr).toBe('')
  expect(stdout.trim().split('\n')).toEqual([
    `connection 1 to ${host}:${port} is ready`,
    'the scene has 3 objects',
    'the code ran',
    'gave up: TimeoutError',
  ])
  expect(code).toBe(0)
  expect(blender.stats().open).toBe(0)
})
