'use strict'

// The pages of docs/ say what is so: their tables and examples are the code's, their links lead somewhere,
// and every metric that a dashboard or an alert asks for exists.

const { existsSync } = require('node:fs')
const { dirname, join } = require('node:path')
const { HealthReporter, metricsOf } = require('../health')
const { DOCS, pages, refresh } = require('../scripts/docs')
const { parse } = require('./support/exposition-parser')
const { poolFigures } = require('./support/figures-of-a-pool')
const { liveChild } = require('./support/live-child')
const { simulator } = require('./support/stage')

const dashboard = require('../docs/grafana-dashboard.json')

const block = (name, language) => {
  const { text } = pages().find((page) => page.name === name)
  return new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(text)[1]
}

/** Everything a scraper may ever see of a pool and its reporter. */
async function families() {
  const pool = { name: 'studio', stats: poolFigures }
  const checkHealth = async () => ({ status: 'healthy', reasons: [] })
  const reporter = new HealthReporter({ name: 'studio', checkHealth })
  await reporter.reportNow()
  return parse(metricsOf([pool], [reporter]))
}

/** The words of PromQL that stand where a metric's name may stand. */
const PROMQL = /^(sum|by|rate|increase|min_over_time|and|or|without|max)$/

/** The names of metrics in an expression, with the labels it selects. */
function metricsIn(expression) {
  const bare = expression.replace(/\b(?:by|without)\s*\([^)]*\)/g, '').replace(/\[[^\]]*\]/g, '')
  return [...bare.matchAll(/([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?/g)]
    .filter(([, name]) => !PROMQL.test(name))
    .map(([, name, selector = '']) => ({
      name,
      labels: [...selector.matchAll(/(\w+)\s*=~?"([^"]*)"/g)].map(([, label, text]) => [
        label,
        text,
      ]),
    }))
}

/** Each name exists, and each label with a value that can occur. */
function expectToExist(known, expression) {
  const found = metricsIn(expression)
  expect(found).not.toEqual([])
  for (const { name, labels } of found) {
    expect([...known.keys()]).toContain(name.replace(/_(count|sum)$/, ''))
    for (const [label, text] of labels) {
      const values = known.get(name).samples.map((sample) => sample.labels[label])
      if (text === '$pool') expect(values).not.toContain(undefined)
      else expect(values).toContain(text)
    }
  }
}

test('the tables and examples in docs/ are those of the code (node scripts/docs.js)', () => {
  for (const { text } of pages()) expect(refresh(text)).toBe(text)
})

test('the options of a ResourcePool are told in its own words, create first', () => {
  const { text } = pages().find(({ name }) => name === 'resource-pool.md')
  const [, table] = /<!-- table: resource-options -->([\s\S]*?)<!-- end -->/.exec(text)
  const rows = table.split('\n').filter((line) => line.startsWith('| `'))
  expect(rows[0]).toMatch(/^\| `create` .*must be given/)
  const abouts = rows.map((row) => row.split(' | ').at(-1)).join('\n')
  expect(abouts).not.toMatch(/blender|dialect|socket|\bping|endpoint|command|\bconnections?\b/i)
})

test('every file that a page points to is there', () => {
  for (const { name, text } of pages()) {
    for (const [, file] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      expect([name, file, existsSync(join(dirname(join(DOCS, name)), file))]).toEqual([
        name,
        file,
        true,
      ])
    }
  }
})

test('the table of metrics names every metric, and no other', async () => {
  const { text } = pages().find(({ name }) => name === 'metrics.md')
  const named = [...text.matchAll(/^\| `([\w[\]]+)` \| (?:gauge|counter|summary) /gm)].flatMap(
    ([, name]) =>
      name.includes('[') ? [name.replace('[endpoint_]', ''), name.replace(/[[\]]/g, '')] : [name],
  )
  expect(named.sort()).toEqual([...(await families()).keys()].sort())
})

test('every alert asks for metrics that exist', async () => {
  const known = await families()
  const expressions = [
    ...block('metrics.md', 'yaml').matchAll(/expr: (?:>\n)?([\s\S]*?)\n\s+(?:for|labels):/g),
  ]
  expect(expressions).toHaveLength(block('metrics.md', 'yaml').match(/alert:/g).length)
  for (const [, expression] of expressions) expectToExist(known, expression)
})

test('every panel of the dashboard asks for metrics that exist', async () => {
  const known = await families()
  for (const { title, targets } of dashboard.panels) {
    expect([title, targets.length > 0]).toEqual([title, true])
    for (const { expr } of targets) expectToExist(known, expr)
  }
})

test('the dashboard can be imported: it asks for its data source, and every part is its own', () => {
  expect(dashboard.__inputs.map(({ name }) => name)).toEqual(['DS_PROMETHEUS'])
  const [pool] = dashboard.templating.list
  expect(pool.query.query).toBe('label_values(blender_pool_connections_max, pool)')
  const sources = [pool, ...dashboard.panels, ...dashboard.panels.flatMap(({ targets }) => targets)]
  for (const { datasource } of sources) expect(datasource.uid).toBe(`\${DS_PROMETHEUS}`)
  const ids = dashboard.panels.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  const kinds = dashboard.panels.map(({ type }) => type)
  const required = dashboard.__requires.filter(({ type }) => type === 'panel').map(({ id }) => id)
  expect(new Set(kinds)).toEqual(new Set(required))
})

test('no two panels of the dashboard overlap', () => {
  const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  )
  expect(new Set(cells).size).toBe(cells.length)
  for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
})

test('the scrape endpoint of the page is scraped', async () => {
  const { host, port } = await simulator({ dialect: 'worker' })
  // The page's lines, and one that says where it listens.
  const source = `${block('metrics.md', 'js')}
    server.once('listening', () => console.log(JSON.stringify(server.address())))`
  const child = liveChild(source, {
    module: true,
    env: { BLENDER_HOST: host, BLENDER_PORT: `${port}`, METRICS_PORT: '0' },
  })
  const address = JSON.parse(await child.said(/^{/))
  const response = await fetch(`http://127.0.0.1:${address.port}/metrics`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4')
  const told = parse(await response.text())
  expect(told.get('blender_pool_connections_max').samples).toMatchObject([
    { labels: { pool: 'studio' }, value: 5 },
  ])
})
