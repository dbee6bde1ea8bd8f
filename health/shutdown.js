// @ts-check
'use strict'
// What has to be closed before the process ends, and in which order: last registered, first closed, as
// with `await using`, because what is opened later is built upon what was there before. One handler after
// another; each has its deadline, and none can keep the others from their turn.

const { EventEmitter } = require('node:events')
const { deliver } = require('../lib/events')
const { PoolError } = require('../lib/pool-error')
const { invalidOption } = require('../lib/invalid-option')
const { outcome } = require('./outcome')
const {
  MAX_MS,
  callback,
  check,
  integer,
  listOf,
  milliseconds,
  readSettings,
  text,
} = require('./settings')
const { installSignalHandlers } = require('./signals')

/** @typedef {import('./index').ShutdownReport} ShutdownReport */
/** @typedef {import('./index').HandlerReport} HandlerReport */
/** @typedef {import('./index').ShutdownContext} ShutdownContext */

/**
 * @typedef {object} Handler
 * @property {string} name
 * @property {(context: ShutdownContext) => unknown} run
 * @property {number} deadlineMs
 * @property {number} order
 */

const ORDER = integer(-1_000, 1_000, 0)

/** What closing a pool takes beyond its own deadline. */
const MARGIN_MS = 1_000

const REGISTRY = { deadlineMs: milliseconds(1, 10_000) }
const HANDLER = { deadlineMs: milliseconds(1, 5_000), order: ORDER }
const POOL = {
  name: text,
  timeoutMs: milliseconds(0, 5_000),
  order: ORDER,
  reporters: listOf((item) => typeof item?.stop === 'function', 'a list of health reporters', []),
}

/** The event that tells of a handler's end. */
const EVENTS = /** @type {const} */ ({
  done: 'handlerDone',
  failed: 'handlerFailed',
  timeout: 'handlerTimedOut',
})

class ShutdownRegistry extends EventEmitter {
  /** In the order of registration. @type {Handler[]} */
  #handlers = []
  #deadlineMs
  /** @type {Promise<ShutdownReport> | null} */
  #running = null
  /** Whether nobody is taken any more: it is over, or past its deadline. */
  #over = false

  /**
   * @param {unknown} [options]
   * @throws {PoolError} ERR_POOL_INVALID_OPTION
   */
  constructor(options) {
    super()
    this.#deadlineMs = readSettings(options, 'the shutdown registry', REGISTRY).deadlineMs
  }

  /**
   * @param {string} name
   * @param {(context: ShutdownContext) => unknown} run
   * @param {unknown} [options]
   * @returns {() => void} takes it back
   * @throws {PoolError} ERR_POOL_INVALID_OPTION; ERR_POOL_CLOSED when the shutdown is over
   */
  register(name, run, options) {
    check('name', text, name)
    check('run', callback, run)
    const { deadlineMs, order } = readSettings(options, 'the shutdown handler', HANDLER)
    if (this.#over) {
      const message = `The shutdown is over; '${name}' comes too late.`
      const advice = 'Register handlers before run(), or close what you opened yourself.'
      throw new PoolError({ code: 'ERR_POOL_CLOSED', message, advice })
    }
    const handler = { name, run, deadlineMs, order }
    this.#handlers.push(handler)
    return () => {
      this.#handlers = this.#handlers.filter((other) => other !== handler)
    }
  }

  /**
   * Closes the pool in its turn, its reporters before it.
   * @param {import('./index').ClosablePool} pool
   * @param {unknown} [options]
   */
  registerPool(pool, options) {
    if (typeof pool?.close !== 'function') throw invalidOption('pool', pool, 'a pool')
    const settings = readSettings(options, 'registerPool()', POOL)
    const { timeoutMs, order, reporters } = settings
    /** @param {ShutdownContext} context */
    const close = ({ signal }) => {
      for (const reporter of reporters) reporter.stop()
      // The pool keeps its own deadline; this one is the shutdown's, when it has no more time to give.
      const cut = async () => {
        try {
          await pool.close({ force: true })
        } catch {
          // The first close() is the one that says what went wrong.
        }
      }
      signal.addEventListener('abort', cut, { once: true })
      return pool.close(signal.aborted ? { force: true } : { timeoutMs })
    }
    const name = settings.name ?? pool.name ?? 'pool'
    return this.register(name, close, {
      deadlineMs: Math.min(timeoutMs + MARGIN_MS, MAX_MS),
      order,
    })
  }

  /**
   * Runs every handler, once. Past the deadline of the whole, those that are left are begun all the same,
   * with a signal that is aborted already, and given one turn of the event loop.
   * @param {string} [reason]
   * @returns {Promise<ShutdownReport>} the same for every call; never rejects
   */
  run(reason = 'shutdown') {
    // Not at once: a listener of 'started' that calls run() shall find it running.
    this.#running ??= Promise.resolve().then(() => this.#runAll(reason))
    return this.#running
  }

  /** @param {unknown} [options] */
  installSignalHandlers(options) {
    return installSignalHandlers(this, options)
  }

  /** @param {string} reason */
  async #runAll(reason) {
    const startedAt = performance.now()
    deliver(this, 'started', { reason })
    /** @type {HandlerReport[]} */
    const handlers = []
    let spent = false
    for (let handler = this.#next(); handler !== undefined; handler = this.#next()) {
      const elapsedMs = performance.now() - startedAt
      /** @type {number} */
      const leftMs = spent ? 0 : Math.max(0, Math.floor(this.#deadlineMs - elapsedMs))
      if (leftMs === 0) this.#over = true
      const ended = await this.#runOne(handler, reason, Math.min(handler.deadlineMs, leftMs))
      handlers.push(ended)
      // It had all the time there was. The clock may not say so yet: a timer of a busy process can come
      // a little before its time.
      spent ||= ended.status === 'timeout' && handler.deadlineMs >= leftMs
    }
    this.#over = true
    const durationMs = performance.now() - startedAt
    const ok = handlers.every(({ status }) => status === 'done')
    const report = { reason, ok, durationMs, handlers }
    deliver(this, 'finished', report)
    return report
  }

  /** Takes out the one whose turn it is: the lowest order, and of these the last. */
  #next() {
    const next = this.#handlers.reduceRight(
      (/** @type {Handler | undefined} */ best, handler) =>
        best === undefined || handler.order < best.order ? handler : best,
      undefined,
    )
    this.#handlers = this.#handlers.filter((handler) => handler !== next)
    return next
  }

  /**
   * @param {Handler} handler
   * @param {string} reason
   * @param {number} deadlineMs
   * @returns {Promise<HandlerReport>}
   */
  async #runOne({ name, run }, reason, deadlineMs) {
    const controller = new AbortController()
    const { signal } = controller
    const late = () => {
      const message = `'${name}' had ${Math.round(deadlineMs)} ms to shut down.`
      controller.abort(new DOMException(message, 'TimeoutError'))
    }
    if (deadlineMs === 0) late()
    const startedAt = performance.now()
    const ended = await outcome(() => run({ signal, reason }), deadlineMs)
    if (ended.status === 'timeout') late()
    const report = { name, durationMs: performance.now() - startedAt, ...ended }
    deliver(this, EVENTS[ended.status], report)
    return report
  }
}

module.exports = { ShutdownRegistry }
