// @ts-check
'use strict'
// Several pools, and the reporters on them, as one text that Prometheus can scrape.

const { exposition } = require('../lib/exposition')
const { invalidOption } = require('../lib/invalid-option')
const { renderPools } = require('../lib/metrics')

/** @typedef {import('./index').MeasuredPool} MeasuredPool */
/** @typedef {import('./reporter').HealthReporter} HealthReporter */
/** @typedef {ReturnType<HealthReporter['stats']>} Figures */

const STATUSES = ['healthy', 'degraded', 'unhealthy']

/** @type {[type: 'gauge' | 'counter', name: string, help: string, read: (figures: Figures) => [Record<string, string>, number | null][]][]} */
const ROWS = [
  [
    'gauge',
    'health_status',
    '1 for what the last report said.',
    ({ status }) =>
      status === null ? [] : STATUSES.map((word) => [{ status: word }, Number(word === status)]),
  ],
  ['counter', 'health_reports_total', 'Health reports made.', ({ reports }) => [[{}, reports]]],
  [
    'counter',
    'health_report_failures_total',
    'Health reports that failed or hung.',
    ({ failures }) => [[{}, failures]],
  ],
]

/**
 * @param {Iterable<MeasuredPool>} pools
 * @param {Iterable<HealthReporter>} [reporters] one for a pool at the most
 * @returns {string}
 */
function metricsOf(pools, reporters = []) {
  if (!isIterable(pools)) throw invalidOption('pools', pools, 'a list of pools')
  if (!isIterable(reporters)) {
    throw invalidOption('reporters', reporters, 'a list of health reporters')
  }
  const figures = [...reporters].map((reporter) => ({
    pool: reporter.name,
    stats: reporter.stats(),
  }))
  const families = ROWS.map(([type, name, help, read]) => ({
    type,
    help,
    name: `blender_pool_${name}`,
    samples: figures.flatMap(({ pool, stats }) =>
      read(stats).map(([labels, value]) => ({ labels: { pool, ...labels }, value })),
    ),
  }))
  return renderPools([...pools].map((pool) => [pool.name, pool.stats()])) + exposition(families)
}

/** @param {any} list */
const isIterable = (list) => typeof list?.[Symbol.iterator] === 'function'

module.exports = { ROWS, metricsOf }
