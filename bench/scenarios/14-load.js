// @ts-check
'use strict'
// What it costs to load the package: a process that does nothing else looks at the clock and at its memory before and
// after.

const { execFile } = require('node:child_process')
const path = require('node:path')
const { promisify } = require('node:util')

const ROOT = path.join(__dirname, '../..')
const run = promisify(execFile)

/** As JavaScript that loads it, by the way its users have. */
const LOADERS = {
  'blender-pool': `require(${JSON.stringify(ROOT)})`,
  'nothing at all': '0',
  'generic-pool': `require('generic-pool')`,
  'lightning-pool': `await import('lightning-pool')`,
  'pg-pool': `require('pg-pool')`,
  tarn: `require('tarn')`,
  'p-queue': `await import('p-queue')`,
  'p-limit': `await import('p-limit')`,
  'async-sema': `require('async-sema')`,
  bottleneck: `require('bottleneck')`,
}

/** @param {string} load */
const program = (load) => `(async () => {
  const before = process.memoryUsage.rss()
  const begun = performance.now()
  const loaded = ${load}
  const value = performance.now() - begun
  const rss = process.memoryUsage.rss()
  process.stdout.write(JSON.stringify({ value, added: (rss - before) / 2 ** 20, rss: rss / 2 ** 20, kind: typeof loaded }))
})()`

/** @param {string} name @param {string} load @returns {import('.').Contestant} */
function contestant(name, load) {
  return {
    name,
    side: name === 'nothing at all' ? 'reference' : undefined,
    make: () => ({
      async round() {
        const { stdout } = await run(process.execPath, ['-e', program(load)], { cwd: ROOT })
        const { kind, ...measured } = JSON.parse(stdout)
        if (load !== '0' && kind === 'undefined') throw new Error(`${name} was not loaded.`)
        return measured
      },
    }),
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 14,
  title: 'loading the package',
  unit: 'ms',
  reach: [{ atMost: 15 }, { measure: 'added', atMost: 8 }],
  sides:
    'A new process loads one package and nothing else, by require where it can be required and by import where it ' +
    'cannot. The figure is the time that takes; beside it by how much the resident memory of the process grew, and ' +
    'what it is afterwards.',
  label: 'package',
  sizes: [1],
  rounds: { short: 3, full: 31 },
  measures: {
    added: { title: 'memory added', unit: 'MB' },
    rss: { title: 'memory in all', unit: 'MB' },
  },
  contestants: Object.entries(LOADERS).map(([name, load]) => contestant(name, load)),
}

module.exports = { scenario }
