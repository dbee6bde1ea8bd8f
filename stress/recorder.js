// @ts-check
'use strict'
// What happened in one scenario, as it happened: every operation with its moments, a sample of the pool's state
// now and then, and what the pool told. Times are milliseconds since the scenario began. It judges nothing.

const { TIMEOUTS, UNREACHABLE } = require('./presence')

/**
 * @typedef {object} Operation
 * @property {'execute' | 'hold'} kind
 * @property {number} asked
 * @property {number} [turn] when its turn was, in the ideal line
 * @property {number} [got] a held connection, when it was had
 * @property {number} [freed] and given up
 * @property {number} [outMs] how long its connection was out, as the pool measured it
 * @property {number} [ended]
 * @property {Outcome} [outcome]
 * @property {string} [code] why it failed
 * @property {boolean} [left] the ideal line
 */

/** `gaveUp`: its caller did, on purpose. `cut`: the run was interrupted. @typedef {'ok' | 'failed' | 'timeout' | 'gaveUp' | 'cut'} Outcome */

/**
 * @typedef {object} Sample
 * @property {number} at
 * @property {number} inUse
 * @property {number} idle
 * @property {number} connecting
 * @property {number} unusable
 * @property {number} waiting
 * @property {number} done operations ended so far
 */

const SAMPLE_MS = 10
const MOST_SAMPLES = 600
const MOST_NOTES = 100

/** Events that are worth a line in the report, each with what it says. @type {Record<string, (payload: any) => string>} */
const TELLING = {
  alert: ({ message }) => message,
  desync: ({ endpoint, error }) => `bytes nobody had asked for, from ${endpoint}: ${error.message}`,
  endpointDown: ({ endpoint, error }) => `${endpoint} is down: ${error.message}`,
  endpointUp: ({ endpoint, downMs }) => `${endpoint} is up again after ${Math.round(downMs)} ms`,
  healthCheckFailed: ({ endpoint, error }) => `${endpoint}: ${error.message}`,
  hookFailed: ({ hook, error }) => `${hook}: ${error.message}`,
  leaseLost: ({ heldMs }) => `a connection was forgotten after ${Math.round(heldMs)} ms`,
}

class Recorder {
  #began = performance.now()
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  #sampleMs = SAMPLE_MS
  /** In the order in which they asked, which is that of being served. @type {Set<Operation>} */
  #unserved = new Set()
  /** @type {Operation[]} */
  operations = []
  /** @type {Sample[]} */
  samples = []
  /** What the pool told, once a kind and message. @type {{ at: number, event: string, text: string, count: number }[]} */
  notes = []
  done = 0
  /** Of those, the ones that somebody answered, if only with an error. */
  progress = 0
  failed = 0
  expected = 0
  /** Connections that were there to be used; an attempt that failed is none. */
  opened = 0

  now() {
    return performance.now() - this.#began
  }

  /** @param {import('..').ConnectionPool} pool */
  watch(pool) {
    /** @type {Map<number, Operation>} */
    const served = new Map()
    pool.on('connectionReady', () => {
      this.opened++
    })
    pool.on('connectionCheckedOut', ({ connectionId }) => {
      const [next] = this.#unserved
      if (next === undefined) return
      this.#unserved.delete(next)
      served.set(connectionId, next)
    })
    pool.on('connectionCheckedIn', ({ connectionId, durationMs }) => {
      const operation = served.get(connectionId)
      if (operation !== undefined) operation.outMs = durationMs
      served.delete(connectionId)
    })
    for (const [event, say] of Object.entries(TELLING)) {
      pool.on(/** @type {any} */ (event), (/** @type {any} */ payload) => {
        this.note(event, say(payload))
      })
    }
  }

  /** @param {string} event @param {string} text */
  note(event, text) {
    // The same sentence with another figure in it is the same news.
    const kind = text.replace(/\d+(\.\d+)?/g, '#')
    const known = this.notes.find((note) => note.event === event && same(note.text, kind))
    if (known) known.count++
    else if (this.notes.length < MOST_NOTES)
      this.notes.push({ at: this.now(), event, text, count: 1 })
  }

  /** @param {() => import('..').PoolStats} look */
  sample(look) {
    const take = () => {
      const { inUse, idle, connecting, unusable, waiting } = look()
      this.samples.push({
        at: this.now(),
        inUse,
        idle,
        connecting,
        unusable,
        waiting,
        done: this.done,
      })
      if (this.samples.length > MOST_SAMPLES) {
        this.samples = this.samples.filter((_, index) => index % 2 === 0)
        this.#sampleMs *= 2
      }
      this.#timer = setTimeout(take, this.#sampleMs)
    }
    take()
  }

  /** The last sample, and no more. @param {() => import('..').PoolStats} look */
  endSamples(look) {
    clearTimeout(this.#timer)
    this.sample(look)
    clearTimeout(this.#timer)
  }

  /** @param {Operation['kind']} kind @returns {Operation} */
  begin(kind) {
    const operation = { kind, asked: this.now() }
    this.operations.push(operation)
    this.#unserved.add(operation)
    return operation
  }

  /**
   * @param {Operation} operation
   * @param {Outcome} outcome
   * @param {string} [code]
   */
  end(operation, outcome, code) {
    operation.ended = this.now()
    operation.outcome = outcome
    if (code !== undefined) operation.code = code
    this.done++
    if (outcome === 'ok' || (outcome === 'failed' && !UNREACHABLE.has(code ?? ''))) this.progress++
    // What failed may never have been served; of what succeeded, the pool is about to tell.
    if (outcome !== 'ok') this.#unserved.delete(operation)
    if (outcome === 'failed' || outcome === 'timeout') this.failed++
  }
}

/** @param {string} text @param {string} kind */
function same(text, kind) {
  return text.replace(/\d+(\.\d+)?/g, '#') === kind
}

/** @param {any} error @returns {[Outcome, string]} */
function outcomeOf(error) {
  const code = error?.code ?? error?.name ?? 'Error'
  return [TIMEOUTS.has(code) ? 'timeout' : 'failed', String(code)]
}

module.exports = { Recorder, outcomeOf }
