// @ts-check
'use strict'
// The table of docs/performance.md, between its markers; the words around it are written by hand.

const fs = require('node:fs')
const path = require('node:path')
const { markdown, summary } = require('./table')

const PAGE = path.join(__dirname, '../../docs/performance.md')
const BETWEEN = /(<!-- measured -->\n)[\s\S]*?(<!-- end of measured -->)/

/** @param {string} text the page @param {import('..').Result} result @returns {string} */
function withMeasured(text, result) {
  if (!BETWEEN.test(text)) throw new Error(`${PAGE} has lost the markers of its table.`)
  return text.replace(BETWEEN, (_, open, close) => `${open}\n${measured(result)}\n\n${close}`)
}

/** @param {import('..').Result} result */
function measured({ startedAt, full, machine, rows, missing, broken }) {
  const { cpu, cores, memoryGb, system, node, rust, version, peers, load } = machine
  const versions = Object.entries(peers).map(([name, number]) => `${name} ${number}`)
  const facts = [
    `blender-pool ${version}, ${startedAt.slice(0, 10)}, ${full ? 'the long form' : 'the short form'}; ${cores} × ${cpu}, ${memoryGb} GB, ${system};`,
    `Node ${node}${rust === null ? '' : `, ${rust}`}; load ${load.before} before and ${load.after} after.`,
    `Peers: ${versions.join(', ')}.`,
  ]
  const without = [...missing, ...broken].map(({ number, title }) => `${number} (${title})`)
  if (without.length > 0) facts.push(`Not measured: ${without.join(', ')}.`)
  return `${facts.join('\n')}\n\n${markdown(summary(rows))}`
}

/** @param {import('..').Result} result */
function writeDocs(result) {
  fs.writeFileSync(PAGE, withMeasured(fs.readFileSync(PAGE, 'utf8'), result))
}

module.exports = { withMeasured, writeDocs }
