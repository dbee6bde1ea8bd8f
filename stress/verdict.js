// @ts-check
'use strict'
// Good, warning or bad, with reasons and what to do. The latency that is judged is the pool's own share: that
// Blender takes its time, or that callers stand in a line they were put in on purpose, is no fault of the pool.

const { LATE_MS } = require('./figures')

/** @typedef {'good' | 'warning' | 'bad'} Level */
/** @typedef {{ level: Level, text: string, advice?: string }} Reason */
/** @typedef {{ level: Level | null, reasons: Reason[] }} Verdict null: nothing was measured */

const ORDER = /** @type {const} */ (['good', 'warning', 'bad'])

/** Good on this side of the first figure, bad beyond the second, and a warning between. */
const LIMITS = {
  successPercent: { good: 99, bad: 95 },
  ownMeanMs: { good: 10, bad: 50 },
  timeoutPercent: { good: 1, bad: 5 },
  latePercent: { good: 10 },
}

/** @param {Iterable<Level | null>} levels @returns {Level | null} the worst */
function worst(levels) {
  const known = [...levels].flatMap((level) => (level === null ? [] : [ORDER.indexOf(level)]))
  return known.length === 0 ? null : ORDER[Math.max(...known)]
}

/**
 * @param {object} measured
 * @param {import('./figures').Figures} measured.figures
 * @param {import('./referee').Check[]} measured.checks
 * @param {Reason[]} measured.findings the scenario's own
 * @param {boolean} measured.timed whether its times are judged
 * @param {string} [measured.stuck] why it was given up
 * @returns {Verdict}
 */
function judge({ figures, checks, findings, timed, stuck }) {
  /** @type {Reason[]} */
  const reasons = []
  /** @param {Level} level @param {string} text @param {string} [advice] */
  const say = (level, text, advice) =>
    reasons.push({ level, text, ...(advice && level !== 'good' && { advice }) })
  if (stuck) say('bad', stuck, 'Somebody waits for what never comes; the race checks say for what.')
  for (const { title, failures, checked, examples } of checks) {
    if (failures === 0) continue
    const what = `Race check failed, ${failures} of ${checked} times: ${title}. ${examples[0]}.`
    say('bad', what, 'This is a defect of the pool: report it, with this report.')
  }
  if (figures.operations > 0) judgeFigures(figures, timed, say)
  for (const finding of findings) reasons.push(finding)
  const measured = figures.operations > 0 || reasons.some(({ level }) => level === 'bad')
  return { level: measured ? worst(reasons.map(({ level }) => level)) : null, reasons }
}

/**
 * @param {import('./figures').Figures} figures
 * @param {boolean} timed
 * @param {(level: Level, text: string, advice?: string) => void} say
 */
function judgeFigures(figures, timed, say) {
  const { successPercent, timeoutPercent, ownMeanMs, latePercent, bursts, errors } = figures
  const codes = Object.entries(errors)
  const failures = codes.map(([code, count]) => `${count} × ${code}`).join(', ')
  say(
    successPercent > LIMITS.successPercent.good
      ? 'good'
      : successPercent < LIMITS.successPercent.bad
        ? 'bad'
        : 'warning',
    `${show(successPercent)} % of ${figures.operations} operations succeeded${failures && `; ${failures}`}.`,
    failures && 'The README says of each code what to do about it.',
  )
  say(
    ...below(timeoutPercent, LIMITS.timeoutPercent, `${show(timeoutPercent)} % timed out.`),
    'Raise maxConnections, or acquireTimeoutMs; with one Blender at its limit, add another one.',
  )
  if (timed) {
    say(
      ...below(
        ownMeanMs,
        LIMITS.ownMeanMs,
        `The pool’s own share is ${show(ownMeanMs)} ms on average` +
          ` (Blender and holders had ${show(figures.outMeanMs)} ms, the line ${show(figures.lineMeanMs)} ms).`,
      ),
      'Keep connections warm (minConnections), look for work that blocks the event loop, and see the timeline.',
    )
    if (latePercent > LIMITS.latePercent.good) {
      say(
        'warning',
        `${show(latePercent)} % of the operations lost more than ${LATE_MS} ms to the pool itself.`,
        'See at which moments in the timeline: connections being opened, or an event loop that stood still.',
      )
    }
  }
  for (const { at, count, durationMs, codes: seen } of bursts) {
    say(
      'warning',
      `A burst of ${count} errors within ${Math.round(durationMs)} ms, ${(at / 1000).toFixed(1)} s after the start: ${Object.keys(seen).join(', ')}.`,
      'One cause, most of the time: a Blender that restarted, or a connection that was cut.',
    )
  }
}

/**
 * @param {number} value
 * @param {{ good: number, bad: number }} limits
 * @param {string} text
 * @returns {[Level, string]}
 */
function below(value, { good, bad }, text) {
  return [value < good ? 'good' : value > bad ? 'bad' : 'warning', text]
}

/** @param {number} value */
function show(value) {
  return value === 0 || value >= 100
    ? value.toFixed(0)
    : value < 10
      ? value.toFixed(2)
      : value.toFixed(1)
}

module.exports = { LIMITS, judge, worst }
