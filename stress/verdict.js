// @ts-check
'use strict'
// Good, warning or bad, with reasons and what to do. The latency that is judged is the pool's own share: that
// Blender takes its time, or that callers stand in a line they were put in on purpose, is no fault of the pool.

const { LATE_MS } = require('./figures')

/** @typedef {'good' | 'warning' | 'bad'} Level */
/** @typedef {'success' | 'timeouts' | 'own' | 'late' | 'burst' | 'check' | 'finding' | 'stuck' | 'away'} About */
/** @typedef {{ about: About, level: Level, text: string, advice?: string }} Reason */
/** @typedef {{ level: Level | null, reasons: Reason[] }} Verdict null: nothing was measured */

const ORDER = /** @type {const} */ (['good', 'warning', 'bad'])

/** Good on this side of the first figure, bad beyond the second, and a warning between. */
const LIMITS = {
  successPercent: { good: 99, bad: 95 },
  timeoutPercent: { good: 1, bad: 5 },
  ownMeanMs: { good: 10, bad: 50 },
  latePercent: { good: 10, bad: Infinity },
}

const ADVICE = {
  success: 'The README says of each code what to do about it.',
  timeouts:
    'Raise maxConnections, or acquireTimeoutMs; with one Blender at its limit, add another one.',
  own: 'Keep connections warm (minConnections), look for work that blocks the event loop, and see the timeline.',
  late: 'See at which moments in the timeline: connections being opened, or an event loop that stood still.',
  burst: 'One cause, most of the time: a Blender that restarted, or a connection that was cut.',
  check: 'This is a defect of the pool: report it, with this report.',
  away: 'Start Blender again, and then this.',
  stuck: 'Somebody waits for what never comes; the race checks say for what.',
}

/** @param {Iterable<Level | null>} levels @returns {Level | null} the worst */
function worst(levels) {
  const known = [...levels].flatMap((level) => (level === null ? [] : [ORDER.indexOf(level)]))
  return known.length === 0 ? null : ORDER[Math.max(...known)]
}

/**
 * @param {object} measured
 * @param {import('./figures').Figures} measured.figures
 * @param {import('./checks').Check[]} measured.checks
 * @param {Reason[]} measured.findings the scenario's own
 * @param {boolean} measured.timed whether its times are judged
 * @param {string} [measured.stuck] why it was given up
 * @param {string} [measured.away] how it was found that Blender is not there any more
 * @param {boolean} [measured.cut] whether it was interrupted
 * @returns {Verdict}
 */
function judge({ figures, checks, findings, timed, stuck, away, cut = false }) {
  if (away || cut) {
    // Half a scenario says nothing of the load; a promise that was broken stays broken.
    const broken = checks.filter(({ failures }) => failures > 0).map(ofCheck)
    const gone = away ? [reason('away', 'warning', away)] : []
    return { level: broken.length > 0 ? 'bad' : null, reasons: [...broken, ...gone] }
  }
  const reasons = [
    ...(stuck ? [reason('stuck', 'bad', stuck)] : []),
    ...checks.filter(({ failures }) => failures > 0).map(ofCheck),
    ...(figures.operations > 0 ? ofFigures(figures, timed) : []),
    ...findings,
  ]
  const level = worst(reasons.map((one) => one.level))
  return { level: figures.operations > 0 || level === 'bad' ? level : null, reasons }
}

/** @param {import('./checks').Check} check */
function ofCheck({ title, failures, checked, examples }) {
  const often = `Race check failed, ${failures} of ${checked} times`
  return reason('check', 'bad', `${often}: ${title}. Seen: ${examples[0]}.`)
}

/** @param {import('./figures').Figures} figures @param {boolean} timed */
function ofFigures(figures, timed) {
  const { successPercent, timeoutPercent, ownMeanMs, latePercent, operations, errors } = figures
  const codes = Object.entries(errors).map(([code, count]) => `${count} × ${code}`)
  const failures = codes.length === 0 ? '' : `; ${codes.join(', ')}`
  const reasons = [
    reason(
      'success',
      // The only figure of which more is better.
      levelOf(-successPercent, {
        good: -LIMITS.successPercent.good,
        bad: -LIMITS.successPercent.bad,
      }),
      `${show(successPercent)} % of ${operations} operations succeeded${failures}.`,
    ),
    reason(
      'timeouts',
      levelOf(timeoutPercent, LIMITS.timeoutPercent),
      `${show(timeoutPercent)} % timed out.`,
    ),
  ]
  if (timed) {
    const others = `Blender and holders had ${show(figures.outMeanMs)} ms, the line ${show(figures.lineMeanMs)} ms`
    reasons.push(
      reason(
        'own',
        levelOf(ownMeanMs, LIMITS.ownMeanMs),
        `The pool’s own share is ${show(ownMeanMs)} ms on average (${others}).`,
      ),
    )
    const late = levelOf(latePercent, LIMITS.latePercent)
    const text = `${show(latePercent)} % of the operations lost more than ${LATE_MS} ms to the pool itself.`
    if (late !== 'good') reasons.push(reason('late', late, text))
  }
  return [...reasons, ...figures.bursts.map(ofBurst)]
}

/** @param {import('./bursts').Burst} burst */
function ofBurst({ at, count, durationMs, codes }) {
  const when = `within ${Math.round(durationMs)} ms, ${(at / 1000).toFixed(1)} s after the start`
  return reason(
    'burst',
    'warning',
    `A burst of ${count} errors ${when}: ${Object.keys(codes).join(', ')}.`,
  )
}

/** @param {keyof typeof ADVICE} about @param {Level} level @param {string} text @returns {Reason} */
function reason(about, level, text) {
  return { about, level, text, ...(level !== 'good' && { advice: ADVICE[about] }) }
}

/** @param {number} value @param {{ good: number, bad: number }} limits @returns {Level} */
function levelOf(value, { good, bad }) {
  return value < good ? 'good' : value > bad ? 'bad' : 'warning'
}

/** @param {number} value */
function show(value) {
  const digits = value === 0 || value >= 100 ? 0 : value < 10 ? 2 : 1
  return value.toFixed(digits)
}

module.exports = { LIMITS, judge, worst }
