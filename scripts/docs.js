'use strict'
// Writes into docs/ what stands elsewhere: the tables of metrics and options, and the examples that tests run.
// `node scripts/docs.js` does it; a test compares.

const fs = require('node:fs')
const path = require('node:path')
const { ROWS } = require('../health/metrics-of')
const { ENDPOINT_FIGURES, FIGURES, NAMED_ELSEWHERE } = require('../lib/metrics')
const { optionTable } = require('./readme')

const ROOT = path.join(__dirname, '..')
const DOCS = path.join(ROOT, 'docs')
const HEAD = '| metric | type | |\n| --- | --- | --- |'

const lines = (prefix, rows) =>
  rows.map(({ name, type, help }) => `| \`${prefix}${name}\` | ${type} | ${help} |`)

/** A table for each marker. */
const TABLES = {
  metrics: [
    HEAD,
    ...lines('blender_pool_[endpoint_]', FIGURES),
    ...lines('blender_pool_endpoint_', ENDPOINT_FIGURES),
    ...lines('', NAMED_ELSEWHERE),
  ],
  reporters: [
    HEAD,
    ...ROWS.map(([type, name, help]) => `| \`blender_pool_${name}\` | ${type} | ${help} |`),
  ],
  'resource-options': optionTable('ResourcePool'),
  'limiter-options': optionTable('Limiter'),
}

/** @param {string} text a page @returns {string} the same with fresh tables and code */
function refresh(text) {
  return text
    .replace(/(<!-- table: (\S+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, open, name, close) => {
      return `${open}\n${TABLES[name].join('\n')}\n\n${close}`
    })
    .replace(/(<!-- code: (\S+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, open, file, close) => {
      return `${open}\`\`\`ts\n${fs.readFileSync(path.join(ROOT, file), 'utf8')}\`\`\`\n${close}`
    })
}

/** The pages of docs/, each with its text. */
function pages() {
  const names = fs.readdirSync(DOCS).filter((name) => name.endsWith('.md'))
  return names.map((name) => ({ name, text: fs.readFileSync(path.join(DOCS, name), 'utf8') }))
}

module.exports = { DOCS, pages, refresh }

if (require.main === module) {
  for (const { name, text } of pages()) fs.writeFileSync(path.join(DOCS, name), refresh(text))
}
