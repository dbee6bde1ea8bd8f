// @ts-check
'use strict'
// Errors that come in quick succession: one cause, most of the time, and worth more attention than the same
// number spread over an hour.

/** So many errors make a burst, each within so many milliseconds of the one before. */
const LEAST = 5
const WITHIN_MS = 200

/** @typedef {{ at: number, durationMs: number, count: number, codes: Record<string, number> }} Burst */

/**
 * @param {{ at: number, code: string }[]} errors in any order
 * @returns {Burst[]}
 */
function burstsOf(errors) {
  const sorted = [...errors].sort((a, b) => a.at - b.at)
  /** @type {{ at: number, code: string }[][]} */
  const groups = []
  for (const error of sorted) {
    const group = groups.at(-1)
    const last = group?.at(-1)
    if (group && last && error.at - last.at <= WITHIN_MS) group.push(error)
    else groups.push([error])
  }
  return groups
    .filter((group) => group.length >= LEAST)
    .map((group) => {
      /** @type {Record<string, number>} */
      const codes = {}
      for (const { code } of group) codes[code] = (codes[code] ?? 0) + 1
      const at = group[0].at
      return { at, durationMs: group[group.length - 1].at - at, count: group.length, codes }
    })
}

module.exports = { LEAST, WITHIN_MS, burstsOf }
