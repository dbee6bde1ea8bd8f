'use strict'

/** The sum of it all, as a table. */

const { percentile } = require('./ledger.js')

/** @param {number} value */
const ms = (value) => (value < 10 ? value.toFixed(1) : Math.round(value).toString())

/**
 * @param {import('./ledger').Ledger} ledger
 * @param {import('..').PoolStats} stats
 * @param {ReturnType<import('./ink').inkFor>} ink
 */
function table(ledger, stats, ink) {
  const spread = (values) =>
    `p50 ${ms(percentile(values, 0.5))}   p95 ${ms(percentile(values, 0.95))}   max ${ms(percentile(values, 1))} ms`
  const closed = Object.entries(stats.closed).filter(([, count]) => count > 0)
  const { overtakes, served } = ledger
  const rows = [
    ['commands', `${ledger.commands}`],
    [
      'errors',
      `${ledger.failures}${ledger.failures > 0 ? ' (callers that gave up, on purpose)' : ''}`,
    ],
    ['wrong answers', `${ledger.wrong}`],
    ['a command took, in all', spread(ledger.commandMs)],
    ['waited for a connection', spread(ledger.waitMs)],
    [
      'callers',
      `${served.length}, ${overtakes === 0 ? 'served in the order they came' : `${overtakes} overtaken`}`,
    ],
    ['connections', `peak ${ledger.peak} of ${stats.max} allowed, ${stats.created} opened`],
    ['closed', closed.map(([reason, count]) => `${count} (${reason})`).join(', ') || 'none'],
  ]
  return rows.map(([name, value]) => `  ${ink('dim', name.padEnd(25))}${value}`).join('\n')
}

module.exports = { table }
