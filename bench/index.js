// @ts-check
'use strict'
// `npm run bench`: plays the rows that were asked for, prints what each measured, and hands out the sum as a table,
// as JSON and as a page. The exit code says whether everything could be measured, not whether it was fast.

const fs = require('node:fs')
const path = require('node:path')
const { inspect } = require('node:util')
const { HELP, readOptions } = require('./options')
const { pageOf } = require('./report')
const { alternate } = require('./run/alternate')
const { load, machine } = require('./run/machine')
const { writeDocs } = require('./run/docs')
const { Unmeasurable } = require('./run/unmeasurable')
const { rowOf } = require('./run/row')
const { aligned, rowTable, summary } = require('./run/table')
const { scenarios } = require('./scenarios')

/** @typedef {import('./scenarios').Scenario} Scenario */

/**
 * @typedef {object} Result
 * @property {string} startedAt
 * @property {number} tookMs
 * @property {boolean} full
 * @property {import('./run/machine').Machine & { load: { before: number, after: number } }} machine
 * @property {import('./run/row').Row[]} rows
 * @property {{ number: number, title: string, why: string }[]} missing what this machine has not what it takes for
 * @property {{ number: number, title: string, error: string }[]} broken
 */

/** @param {string[]} args @returns {Promise<number>} the exit code */
async function main(args) {
  const { rows, full, json, html, docs, list, help } = readOptions(args, scenarios())
  if (help) return say(HELP)
  if (list) return say(rows.map(({ number, title }) => `${number}  ${title}`).join('\n'))
  const result = await measure(rows, full)
  if (result.rows.length > 0) say(aligned(summary(result.rows)))
  hand(json, `${JSON.stringify(result, null, 2)}\n`)
  hand(html, pageOf(result))
  if (docs) writeDocs(result)
  for (const { number, title, error } of result.broken) {
    say(`\n${number}. ${title} broke: ${error.split('\n', 1)[0]}`)
  }
  say(`\n${(result.tookMs / 1000).toFixed(0)} s. ${html}`)
  return result.broken.length === 0 ? 0 : 1
}

/** @param {Scenario[]} rows @param {boolean} full @returns {Promise<Result>} */
async function measure(rows, full) {
  const startedAt = new Date().toISOString()
  const begun = performance.now()
  const before = load()
  /** @type {Result} */
  const result = {
    startedAt,
    tookMs: 0,
    full,
    machine: { ...machine(), load: { before, after: 0 } },
    rows: [],
    missing: [],
    broken: [],
  }
  for (const scenario of rows) {
    const { number, title } = scenario
    try {
      const row = await play(scenario, full)
      result.rows.push(row)
      say(`${rowTable(row)}\n`)
    } catch (error) {
      if (error instanceof Unmeasurable) {
        result.missing.push({ number, title, why: error.message })
        say(`${number}. ${title} cannot be measured here: ${error.message}\n`)
        continue
      }
      const told = inspect(error)
      result.broken.push({ number, title, error: told })
      say(`${number}. ${title} broke: ${told}\n`)
    }
  }
  result.tookMs = performance.now() - begun
  result.machine.load.after = load()
  return result
}

/** @param {Scenario} scenario @param {boolean} full */
async function play(scenario, full) {
  const { number, title } = scenario
  await scenario.prepare?.((text) => say(`${number}. ${title}: ${text}`))
  const begun = performance.now()
  const note = (/** @type {string} */ text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
  }
  try {
    const all = await alternate(scenario, { full }, (size, round) => {
      note(`${number}. ${title}: ${size} ${scenario.label}, round ${round}`)
    })
    return rowOf(scenario, all, performance.now() - begun)
  } finally {
    note('')
  }
}

/** @param {string} file @param {string} text */
function hand(file, text) {
  fs.mkdirSync(path.dirname(path.resolve(file)), { recursive: true })
  fs.writeFileSync(file, text)
}

/** @param {string} text */
function say(text) {
  process.stdout.write(`${text}\n`)
  return 0
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error) => {
    process.stderr.write(`${error?.message ?? error}\n`)
    process.exitCode = 1
  },
)
