'use strict'
// Writes the tables of options, errors and add-ons into README.md from the addon's own tables, between their
// markers. `node scripts/tables.js` rewrites them; a test compares.

const fs = require('node:fs')
const path = require('node:path')
const { tables } = require('../binding.js')

const README = path.join(__dirname, '..', 'README.md')

const row = (...cells) => `| ${cells.join(' | ')} |`
const head = (...cells) => [row(...cells), `|${' --- |'.repeat(cells.length)}`]

const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ' ')

function range({ kind, min, max, values }) {
  if (kind === 'integer') return `${grouped(min)} to ${max === 2147483647 ? '2³¹−1' : grouped(max)}`
  if (kind === 'enum') return values.map((value) => `\`${value}\``).join(' ')
  return kind
}

function show(value) {
  if (value === null) return '–'
  return typeof value === 'number' ? grouped(value) : `\`${value}\``
}

/** @returns {Record<string, string>} a table for each marker */
function render() {
  const { options, errors, dialects } = JSON.parse(tables())
  return {
    options: [
      ...head('option', 'default', 'range', ''),
      ...options.map((option) =>
        row(`\`${option.name}\``, show(option.default), range(option), option.about),
      ),
    ].join('\n'),
    errors: [
      ...head('code', 'what happened', 'what to do'),
      ...errors.map(({ code, meaning, advice }) => row(`\`${code}\``, meaning, advice)),
    ].join('\n'),
    dialects: [
      ...head('dialect', 'add-on', 'port', 'how the pool treats it'),
      ...dialects.map(({ name, addon, port, policy }) =>
        row(`\`${name}\``, addon, port, habits(policy)),
      ),
    ].join('\n'),
  }
}

function habits(policy) {
  const said = []
  said.push(policy.perRequest ? 'one connection per command' : 'connections kept open')
  if (policy.maxInFlight === 1) said.push('one command at a time per Blender')
  if (policy.maxConnecting === 1) said.push('one connect at a time')
  if (policy.pingOnConnect) said.push('a new connection must answer a ping')
  if (policy.quiet) said.push('nothing is dialled or closed while a command runs')
  return said.join('; ')
}

/** @param {string} text README.md @returns {string} the same with fresh tables */
function refresh(text) {
  for (const [name, table] of Object.entries(render())) {
    const marked = new RegExp(`(<!-- table: ${name} -->\n)[^]*?(\n<!-- end -->)`)
    if (!marked.test(text)) throw new Error(`README.md has no place for the table of ${name}`)
    text = text.replace(marked, (_, open, close) => `${open}\n${table}\n${close}`)
  }
  return text
}

module.exports = { README, refresh }

if (require.main === module) {
  fs.writeFileSync(README, refresh(fs.readFileSync(README, 'utf8')))
}
