// @ts-check
'use strict'
// Reports on a pool's health, again and again, with figures of that moment. One round at a time; a round
// that fails or hangs is told as 'failed', and the next one comes as if nothing had happened.

const { EventEmitter } = require('node:events')
const { deliver } = require('../lib/events')
const { invalidOption } = require('../lib/invalid-option')
const { outcome } = require('./outcome')
const { abortSignal, callback, flag, milliseconds, readSettings } = require('./settings')

/** @typedef {import('./index').HealthSource<any>} HealthSource */
/** @typedef {import('./index').ServerReport<any>} ServerReport */

const SETTINGS = {
  intervalMs: milliseconds(1, 300_000),
  timeoutMs: milliseconds(1, 60_000),
  immediate: flag(true),
  ref: flag(false),
  onReport: callback,
  signal: abortSignal,
}

class HealthReporter extends EventEmitter {
  #pool
  #settings
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  #stopped = false
  /** The round under way. @type {Promise<ServerReport | null> | null} */
  #round = null
  /** When the pool was first found unhealthy, or null while it is not. @type {number | null} */
  #unhealthySince = null
  #counts = { rounds: 0, reports: 0, failures: 0, consecutiveFailures: 0, skipped: 0 }
  /** @type {ServerReport | null} */
  #last = null

  /**
   * @param {HealthSource} pool
   * @param {unknown} [options]
   * @throws {import('../lib/pool-error').PoolError} ERR_POOL_INVALID_OPTION
   */
  constructor(pool, options) {
    super()
    if (typeof pool?.checkHealth !== 'function') {
      throw invalidOption('pool', pool, 'a pool, which has checkHealth()')
    }
    this.#pool = pool
    this.#settings = readSettings(options, 'the health reporter', SETTINGS)
    const { onReport, signal } = this.#settings
    if (onReport !== undefined) this.on('report', onReport)
    if (signal?.aborted) this.#stopped = true
    else signal?.addEventListener('abort', this.stop, { once: true })
  }

  /** The pool's name. */
  get name() {
    return this.#pool.name ?? 'pool'
  }

  /** Whether rounds will come. */
  get running() {
    return this.#timer !== undefined
  }

  /** The last report; null before the first. */
  get last() {
    return this.#last
  }

  /** Begins; a second time changes nothing, and a reporter that was stopped stays so. */
  start() {
    if (this.#stopped || this.#timer !== undefined) return this
    const { intervalMs, immediate, ref } = this.#settings
    this.#timer = setInterval(() => this.#tick(), intervalMs)
    if (!ref) this.#timer.unref()
    if (immediate) this.#tick()
    return this
  }

  /** Ends it, for good. What a round under way finds is not told. A property: it is a listener too. */
  stop = () => {
    this.#stopped = true
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#settings.signal?.removeEventListener('abort', this.stop)
  }

  /**
   * A report of this moment, outside the rhythm; while a round is under way, that one's.
   * @returns {Promise<ServerReport | null>} never rejects; null: the check failed (see 'failed'), or the
   *   reporter was stopped
   */
  reportNow() {
    if (this.#stopped) return Promise.resolve(null)
    this.#round ??= this.#check()
    return this.#round
  }

  stats() {
    const status = this.#last?.health.status ?? null
    return { ...this.#counts, status, lastReportAt: this.#last?.at ?? null }
  }

  #tick() {
    if (this.#pool.state === 'closed') this.stop()
    else if (this.#round !== null) this.#counts.skipped++
    else this.reportNow()
  }

  async #check() {
    const at = Date.now()
    const startedAt = performance.now()
    const round = ++this.#counts.rounds
    // The wait holds no process: the pool's own pings do, as long as they run.
    const found = await outcome(() => this.#ask(), this.#settings.timeoutMs, { ref: false })
    this.#round = null
    if (this.#stopped) return null
    const durationMs = performance.now() - startedAt
    const base = { pool: this.name, round, at, durationMs, ...processFigures() }
    if (found.status === 'done') return this.#report({ ...base, health: found.value })
    const error = found.status === 'failed' ? found.error : this.#late()
    const failures = ++this.#counts.failures
    const consecutiveFailures = ++this.#counts.consecutiveFailures
    deliver(this, 'failed', { ...base, error, failures, consecutiveFailures })
    return null
  }

  async #ask() {
    const health = await this.#pool.checkHealth()
    if (typeof health?.status === 'string') return health
    throw new TypeError(`checkHealth() of ${this.name} gave no report.`)
  }

  #late() {
    const message = `checkHealth() of ${this.name} took longer than ${this.#settings.timeoutMs} ms.`
    return new DOMException(message, 'TimeoutError')
  }

  /** @param {ServerReport} report */
  #report(report) {
    this.#counts.reports++
    this.#counts.consecutiveFailures = 0
    this.#last = report
    deliver(this, 'report', report)
    const since = this.#unhealthySince
    if (report.health.status === 'unhealthy') {
      this.#unhealthySince ??= report.at
      if (since === null) deliver(this, 'unhealthy', report)
    } else if (since !== null) {
      this.#unhealthySince = null
      deliver(this, 'recovered', { ...report, unhealthyMs: report.at - since })
    }
    return report
  }
}

function processFigures() {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
  const memory = {
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    heapTotalBytes: heapTotal,
    externalBytes: external,
  }
  return { uptimeMs: process.uptime() * 1000, memory }
}

/**
 * @param {HealthSource} pool
 * @param {unknown} [options]
 */
function startHealthReporter(pool, options) {
  return new HealthReporter(pool, options).start()
}

module.exports = { HealthReporter, startHealthReporter }
