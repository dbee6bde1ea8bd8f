'use strict'

// An example of examples/, TypeScript as a user writes it: what the compiler has against it, and what of
// it Node can run.

const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const ts = require('typescript')

const FOLDER = join(__dirname, '..', '..', 'examples')

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

/** @param {string} name @returns {string} what is wrong with its types; empty: nothing */
function typeErrors(name) {
  const file = join(FOLDER, name)
  // The repository is a CommonJS package; the example belongs to an ECMAScript module.
  const module = file.replace(/\.ts$/, '.mts')
  const host = ts.createCompilerHost(OPTIONS)
  const { fileExists, readFile } = host
  host.fileExists = (asked) => asked === module || fileExists(asked)
  host.readFile = (asked) => (asked === module ? readFileSync(file, 'utf8') : readFile(asked))
  const program = ts.createProgram([module], OPTIONS, host)
  const wrong = ts.getPreEmitDiagnostics(program)
  return ts.formatDiagnostics(wrong, { ...host, getCanonicalFileName: String })
}

/**
 * As an ECMAScript module in the root, where the package finds itself by its own name.
 * @param {string} name
 */
function compiled(name) {
  const compilerOptions = { ...OPTIONS, module: ts.ModuleKind.ES2022 }
  const source = readFileSync(join(FOLDER, name), 'utf8')
  return ts.transpileModule(source, { compilerOptions }).outputText
}

module.exports = { compiled, typeErrors }
