'use strict'
// Writes into README.md what stands elsewhere: the tables of options, errors and add-ons as the addon knows
// them, and the example that a test runs. `node scripts/readme.js` does it; a test compares.

const fs = require('node:fs')
const path = require('node:path')
const { tables } = require('../binding.js')

const ROOT = path.join(__dirname, '..')
const README = path.join(ROOT, 'README.md')

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

/** @param {string} owner a class @returns {string[]} the lines of the table of its options */
function optionTable(owner) {
  const { options } = JSON.parse(tables())
  return [
    ...head('option', 'default', 'range', ''),
    ...options
      .filter(({ owners }) => owners.includes(owner))
      .map((option) =>
        row(
          `\`${option.name}\``,
          show(option.default),
          range(option),
          owner === 'ResourcePool' ? option.ofResources : option.about,
        ),
      ),
  ]
}

/** @returns {Record<string, string>} a table for each marker */
function render() {
  const { errors, dialects } = JSON.parse(tables())
  return {
    options: optionTable('ConnectionPool').join('\n'),
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
  if (policy.maxConnections === 1) said.push('one connection, for it serves one client; kept open')
  else said.push(policy.perRequest ? 'one connection per command' : 'connections kept open')
  if (policy.maxInFlight === 1) said.push('one command at a time per Blender')
  if (policy.maxConnecting === 1 && policy.maxConnections !== 1) said.push('one connect at a time')
  if (policy.pingOnConnect) said.push('a new connection must answer a ping')
  if (policy.quiet) said.push('nothing is dialled or closed while a command runs')
  return said.join('; ')
}

/** @param {string} text README.md @returns {string} the same with fresh tables and code */
function refresh(text) {
  for (const [name, table] of Object.entries(render())) {
    const marked = new RegExp(`(<!-- table: ${name} -->\n)[\\s\\S]*?(\n<!-- end -->)`)
    if (!marked.test(text)) throw new Error(`README.md has no place for the table of ${name}`)
    text = text.replace(marked, (_, open, close) => `${open}\n${table}\n${close}`)
  }
  const code = /(<!-- code: (\S+) -->\n```ts\n)[\s\S]*?(```\n<!-- end -->)/g
  return text.replace(code, (_, open, file, close) => {
    return open + fs.readFileSync(path.join(ROOT, file), 'utf8') + close
  })
}

module.exports = { README, optionTable, refresh }

if (require.main === module) {
  fs.writeFileSync(README, refresh(fs.readFileSync(README, 'utf8')))
}
