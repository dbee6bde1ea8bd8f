// @ts-check
'use strict'
// The figures of a scenario, worked out from its record. The answer time of an operation is what passed from its
// turn to its answer; the pool's own share of it is what neither Blender nor the holder had.
//
//   asked ──── in line ────> turn ── own ──> got ── Blender, holder ──> freed ── own ──> ended
//
// Of a held connection both ends are seen. Of a plain command only the sum is: what its turns took, less what
// the pool says that its connections were out. It is exact on average, and for one operation an estimate.

const { bucketsOf, meanOf, spreadOf } = require('./buckets')
const { burstsOf } = require('./bursts')

const SLOW_MS = 100
const VERY_SLOW_MS = 500
const LONG_WAIT_MS = 100
/** Of the pool's own share; the last bucket of the seed's histogram. */
const LATE_MS = 50

/**
 * @typedef {ReturnType<typeof figuresOf>} Figures
 * @typedef {import('./recorder').Operation} Operation
 */

/** @param {import('./recorder').Recorder} record @param {number} durationMs */
function figuresOf(record, durationMs) {
  const { operations, outMs } = record
  /** @param {import('./recorder').Outcome} outcome */
  const count = (outcome) => operations.filter((one) => one.outcome === outcome).length
  const [ok, failed, timeouts] = [count('ok'), count('failed'), count('timeout')]
  const judged = ok + failed + timeouts
  const served = operations.filter(({ outcome }) => outcome === 'ok')
  const errors = operations.filter(({ outcome }) => outcome === 'failed' || outcome === 'timeout')
  const waited = served.map((one) => turnOf(one) - one.asked)
  const answers = served.map((one) => endOf(one) - turnOf(one))
  const totals = served.map((one) => endOf(one) - one.asked)
  const { own, ownMeanMs, outMeanMs } = ownShares(operations, outMs)
  const seconds = durationMs / 1000
  return {
    durationMs,
    operations: judged,
    ok,
    failed,
    timeouts,
    gaveUp: count('gaveUp'),
    successPercent: percent(ok, judged),
    timeoutPercent: percent(timeouts, judged),
    operationsPerSecond: seconds > 0 ? judged / seconds : 0,
    ownMeanMs,
    outMeanMs,
    lineMeanMs: meanOf(waited),
    latePercent: percent(own.filter((ms) => ms > LATE_MS).length, own.length),
    slow: answers.filter((ms) => ms > SLOW_MS).length,
    verySlow: answers.filter((ms) => ms > VERY_SLOW_MS).length,
    longWaits: waited.filter((ms) => ms > LONG_WAIT_MS).length,
    exhaustedPercent: exhausted(record.samples),
    latency: { own: spreadOf(own), answer: spreadOf(answers), total: spreadOf(totals) },
    buckets: { own: bucketsOf(own), answer: bucketsOf(answers), total: bucketsOf(totals) },
    errors: errors.reduce(
      (codes, { code = 'Error' }) => {
        codes[code] = (codes[code] ?? 0) + 1
        return codes
      },
      /** @type {Record<string, number>} */ ({}),
    ),
    bursts: burstsOf(errors.map((one) => ({ at: endOf(one), code: one.code ?? 'Error' }))),
  }
}

/**
 * @param {Operation[]} operations
 * @param {number} outMs how long connections were out, in all
 */
function ownShares(operations, outMs) {
  const turned = operations.filter(
    (one) => one.ended !== undefined && one.outcome !== 'gaveUp' && one.outcome !== 'cut',
  )
  const held = turned.filter((one) => one.freed !== undefined && one.got !== undefined)
  const sent = turned.filter(({ kind, outcome }) => kind === 'execute' && outcome === 'ok')
  const holdMs = held.map((one) => Number(one.freed) - Number(one.got))
  const heldMs = holdMs.reduce((sum, ms) => sum + ms, 0)
  const sentOutMs = Math.max(0, outMs - heldMs)
  const sentOutMean = sent.length === 0 ? 0 : sentOutMs / sent.length
  const ofHeld = held.map((one) =>
    Math.max(0, Number(one.got) - turnOf(one) + (endOf(one) - Number(one.freed))),
  )
  const ofSent = sent.map((one) =>
    Math.max(0, endOf(one) - turnOf(one) - Math.max(one.meantMs, sentOutMean)),
  )
  const answerMs = sent.reduce((sum, one) => sum + endOf(one) - turnOf(one), 0)
  const sentMs = Math.max(0, answerMs - sentOutMs)
  const count = held.length + sent.length
  const heldOwnMs = ofHeld.reduce((sum, ms) => sum + ms, 0)
  return {
    own: [...ofHeld, ...ofSent],
    ownMeanMs: count === 0 ? 0 : (heldOwnMs + sentMs) / count,
    outMeanMs: count === 0 ? 0 : (heldMs + sentOutMs) / count,
  }
}

/** In how many samples all that was open was in use and somebody waited. @param {import('./recorder').Sample[]} samples */
function exhausted(samples) {
  return percent(
    samples.filter(({ idle, inUse, waiting }) => waiting > 0 && idle === 0 && inUse > 0).length,
    samples.length,
  )
}

/** @param {Operation} operation */
const endOf = ({ ended, asked }) => ended ?? asked

/** @param {Operation} operation */
const turnOf = ({ turn, got, ended, asked }) =>
  Math.min(turn ?? got ?? ended ?? asked, got ?? Infinity)

/** @param {number} part @param {number} whole 0: nothing to speak of */
function percent(part, whole) {
  return whole === 0 ? 0 : (100 * part) / whole
}

module.exports = { LATE_MS, LONG_WAIT_MS, SLOW_MS, VERY_SLOW_MS, figuresOf }
