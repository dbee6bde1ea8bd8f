// @ts-check
'use strict'
// How long things took, counted: in the five buckets of the report, and as percentiles.

/** Upper ends in milliseconds, the last one open. */
const BUCKETS = [
  { name: '0–1', below: 1 },
  { name: '1–5', below: 5 },
  { name: '5–10', below: 10 },
  { name: '10–50', below: 50 },
  { name: '> 50', below: Infinity },
]

/** @param {number[]} times @returns {{ name: string, count: number }[]} */
function bucketsOf(times) {
  const counted = BUCKETS.map(({ name }) => ({ name, count: 0 }))
  for (const ms of times) {
    const at = BUCKETS.findIndex(({ below }, index) => ms < below || index === BUCKETS.length - 1)
    counted[at].count++
  }
  return counted
}

/** @typedef {{ count: number, mean: number, p50: number, p95: number, p99: number, max: number }} Spread */

/** @param {number[]} times @returns {Spread} */
function spreadOf(times) {
  const sorted = [...times].sort((a, b) => a - b)
  /** @param {number} share */
  const at = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  return {
    count: sorted.length,
    mean: meanOf(sorted),
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    max: sorted.at(-1) ?? 0,
  }
}

/** @param {number[]} times 0 when there are none */
function meanOf(times) {
  return times.length === 0 ? 0 : times.reduce((sum, ms) => sum + ms, 0) / times.length
}

module.exports = { BUCKETS, bucketsOf, meanOf, spreadOf }
