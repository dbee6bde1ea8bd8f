// @ts-check
'use strict'
// The figures of a scenario, worked out from its record. The answer time of an operation is what passed from its
// turn to its answer; the pool's own share of it is what neither Blender nor the holder had.
//
//   asked ──── in line ────> turn ── own ──> got ── Blender, holder ──> freed ── own ──> ended
//
// Of a held connection both ends are seen. Of a plain command it is its answer time less what the pool says that its
// connection was out; on average that is exact, however the turns of single ones are seen from here.

const { bucketsOf, meanOf, spreadOf } = require('./buckets')
const { burstsOf } = require('./bursts')

const SLOW_MS = 100
const VERY_SLOW_MS = 500
const LONG_WAIT_MS = 100
/** Of the pool's own share: the last bucket. */
const LATE_MS = 50

/**
 * @typedef {ReturnType<typeof figuresOf>} Figures
 * @typedef {import('./recorder').Operation} Operation
 */

/** @param {import('./recorder').Recorder} record @param {number} durationMs */
function figuresOf(record, durationMs) {
  const { operations } = record
  /** @param {import('./recorder').Outcome} outcome */
  const count = (outcome) => operations.filter((one) => one.outcome === outcome).length
  const [ok, failed, timeouts] = [count('ok'), count('failed'), count('timeout')]
  const judged = ok + failed + timeouts
  const served = operations.filter(({ outcome }) => outcome === 'ok')
  const errors = operations.filter(({ outcome }) => outcome === 'failed' || outcome === 'timeout')
  const waited = served.map((one) => turnOf(one) - one.asked)
  const answers = served.map((one) => endOf(one) - turnOf(one))
  const totals = served.map((one) => endOf(one) - one.asked)
  const { own, ownMeanMs, outMeanMs } = ownShares(operations)
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

/** @param {Operation[]} operations */
function ownShares(operations) {
  const held = operations.filter(
    ({ got, freed, outcome }) => got !== undefined && freed !== undefined && outcome !== 'cut',
  )
  const sent = operations.filter(
    ({ kind, outMs, outcome }) => kind === 'execute' && outMs !== undefined && outcome === 'ok',
  )
  const heldMs = held.map((one) => Number(one.freed) - Number(one.got))
  const ofHeld = held.map((one) => Number(one.got) - turnOf(one) + endOf(one) - Number(one.freed))
  const ofSent = sent.map((one) => endOf(one) - turnOf(one) - Number(one.outMs))
  // A turn may be seen here a little later than it was: one command's loss is the next one's gain.
  const sentMean = Math.max(0, meanOf(ofSent))
  const count = held.length + sent.length
  return {
    own: [...ofHeld, ...ofSent].map((ms) => Math.max(0, ms)),
    ownMeanMs: count === 0 ? 0 : (meanOf(ofHeld) * held.length + sentMean * sent.length) / count,
    outMeanMs: meanOf([...heldMs, ...sent.map(({ outMs }) => Number(outMs))]),
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
