// @ts-check
'use strict'
// The arithmetic of rounds: medians, because one round may meet a busy machine, and how far the others lie apart.

/** @typedef {{ median: number, low: number, high: number, rounds: number[] }} Figure from the 10th to the 90th percentile */
/** @typedef {{ ratio: number, low: number, high: number }} Ratio */

/** @param {ArrayLike<number>} values in any order @param {number} part 0 to 1 @returns {number} between two values where it falls there */
function quantile(values, part) {
  const sorted = Float64Array.from(values).sort()
  if (sorted.length === 0) return Number.NaN
  const at = part * (sorted.length - 1)
  const below = Math.floor(at)
  const above = Math.ceil(at)
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below)
}

/** @param {ArrayLike<number>} values */
const median = (values) => quantile(values, 0.5)

/** @param {number[]} rounds @returns {Figure} */
function figureOf(rounds) {
  return {
    median: median(rounds),
    low: quantile(rounds, 0.1),
    high: quantile(rounds, 0.9),
    rounds,
  }
}

/**
 * Ours in parts of the peer's: of the medians, and of what the two measured in the same rounds.
 * @param {Figure} ours
 * @param {Figure} peer
 * @returns {Ratio}
 */
function ratioOf(ours, peer) {
  const pairs = ours.rounds.map((value, round) => value / peer.rounds[round])
  return {
    ratio: ours.median / peer.median,
    low: quantile(pairs, 0.1),
    high: quantile(pairs, 0.9),
  }
}

/**
 * The power of its size with which something grows, from the smallest to the largest: 0 is flat, 1 linear.
 * @param {{ size: number, value: number }[]} points
 * @returns {number | null} null: one size only, or nothing that could grow
 */
function growthOf(points) {
  const sorted = [...points].sort((a, b) => a.size - b.size)
  const [first, last] = [sorted[0], sorted[sorted.length - 1]]
  if (first === undefined || first.size === last.size) return null
  if (first.value <= 0 || last.value <= 0) return null
  return Math.log(last.value / first.value) / Math.log(last.size / first.size)
}

module.exports = { figureOf, growthOf, median, quantile, ratioOf }
