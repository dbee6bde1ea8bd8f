// @ts-check
'use strict'
// Calls of functions, so many at a time and within a rate: the old `ConnectionPool` of command-line tools. It adds
// to the limiter what that one did: tokens, a patience for places alone, results that are kept, and its words.

const { createHash } = require('node:crypto')
const { Limiter } = require('../lib/limiter/limiter')
const { MAX_TIMEOUT_MS } = require('./environment')
const { failure, refusal } = require('./failure')
const { cancelled, throwIfCancelled, unwatch, watch } = require('./token')
const { tellUnknown } = require('./unknown-setting')
const { Patience, Wait } = require('./wait')

/**
 * @typedef {object} ConnectionPoolOptions
 * @property {number} maxConnections
 * @property {number} [requestsPerMinute]
 * @property {number} [requestsPerSecond]
 * @property {number} [queueTimeout]
 * @property {boolean} [enableDeduplication]
 * @property {number} [deduplicationTtl]
 */

const NAMES = [
  'maxConnections',
  'requestsPerMinute',
  'requestsPerSecond',
  'queueTimeout',
  'enableDeduplication',
  'deduplicationTtl',
]
const MAX_CONNECTIONS = 1_024
const MAX_RATE = 100_000
const MAX_KEY_LENGTH = 512
const SHUTTING_DOWN = 'Connection pool is shutting down'

const NO_OPTIONS = 'ConnectionPool was made without options.'
const GIVE_OPTIONS = 'Say how many calls may run at the same time: { maxConnections: 5 }.'
const MORE_PLACES = 'Raise queueTimeout or maxConnections, or ask for less at a time.'

/** @type {import('./failure').Words} */
const WORDS = {
  closed: SHUTTING_DOWN,
  lost: SHUTTING_DOWN,
  timeout: 'Connection pool timeout',
  connect: (reason) => reason,
  advice: {
    ERR_POOL_ACQUIRE_TIMEOUT: MORE_PLACES,
    ERR_POOL_CLOSED: 'Make a new ConnectionPool.',
    ERR_POOL_CLEARED:
      'Whoever cleared the queue did not want it run; call execute() again if that is over.',
  },
}

/** @param {unknown} rate @returns {number} 0: any number of starts */
function rateOf(rate) {
  const starts = Math.ceil(Number(rate))
  return starts > 0 && starts < Infinity ? Math.min(starts, MAX_RATE) : 0
}

/** @param {unknown} given @param {number} otherwise what 0 and nothing mean */
function timeOf(given, otherwise) {
  return Math.min(Math.max(Math.ceil(Number(given || otherwise)) || otherwise, 1), MAX_TIMEOUT_MS)
}

/** @param {unknown} key of any length @returns {string} */
function shortened(key) {
  const text = String(key)
  return text.length <= MAX_KEY_LENGTH ? text : createHash('sha256').update(text).digest('hex')
}

class ConnectionPool {
  #limiter
  #maxConnections
  #queueTimeout
  /** Milliseconds that a result is kept; null: nothing is joined or kept. @type {number | null} */
  #keptMs
  /** Functions at work, also those whose callers have gone. */
  #running = 0
  /** By key. @type {Map<string, Wait>} */
  #shared = new Map()
  #keyed = 0

  /**
   * @param {ConnectionPoolOptions} options
   * @param {string} [name]
   */
  constructor(options, name = 'default') {
    if (options == null) throw refusal(NO_OPTIONS, 'ERR_POOL_INVALID_OPTION', GIVE_OPTIONS)
    tellUnknown(options, NAMES)
    const { maxConnections, requestsPerSecond, requestsPerMinute } = options
    const places = Math.ceil(Number(maxConnections)) || 1
    this.#maxConnections = Math.min(Math.max(places, 1), MAX_CONNECTIONS)
    this.#queueTimeout = timeOf(options.queueTimeout, 30_000)
    this.#keptMs =
      (options.enableDeduplication ?? true) ? timeOf(options.deduplicationTtl, 60_000) : null
    this.#limiter = new Limiter({
      name: String(name) || 'default',
      maxConcurrent: this.#maxConnections,
      requestsPerSecond: rateOf(requestsPerSecond),
      requestsPerMinute: rateOf(requestsPerMinute),
      // It would count waiting for the rate too: see wait.js.
      queueTimeoutMs: MAX_TIMEOUT_MS,
    })
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} fn
   * @param {any} [token]
   * @param {string} [requestKey]
   * @returns {Promise<T>}
   */
  async execute(fn, token, requestKey) {
    if (token) throwIfCancelled(token)
    if (this.#keptMs === null || !requestKey) return await this.#run(new Wait(), fn, token, {})
    const key = shortened(requestKey)
    const found = this.#shared.get(key)
    // One whose callers have all given up is over, though they may not have gone on yet.
    const wait = found !== undefined && found.callers.size > 0 ? found : new Wait()
    this.#shared.set(key, wait)
    this.#keyed++
    try {
      return await this.#run(wait, fn, token, { key, cacheTtlMs: this.#keptMs })
    } finally {
      if (wait.callers.size === 0 && this.#shared.get(key) === wait) this.#shared.delete(key)
    }
  }

  getStats() {
    const { cached, joined, cacheHits, waiting, rate } = this.#limiter.stats()
    const stats = {
      activeConnections: this.#running,
      maxConnections: this.#maxConnections,
      queuedRequests: waiting,
      utilization: (this.#running / this.#maxConnections) * 100,
      rateLimitStatus: {
        requestsLastSecond: rate.lastSecond,
        requestsLastMinute: rate.lastMinute,
        remainingPerSecond: rate.remainingPerSecond ?? Number.POSITIVE_INFINITY,
        remainingPerMinute: rate.remainingPerMinute ?? Number.POSITIVE_INFINITY,
      },
    }
    if (this.#keptMs === null) return stats
    const cacheHitRate = this.#keyed === 0 ? 0 : ((joined + cacheHits) / this.#keyed) * 100
    const pendingRequests = this.#shared.size
    return {
      ...stats,
      deduplicationStats: { pendingRequests, cachedResults: cached, cacheHitRate },
    }
  }

  /** @param {string} [reason] */
  clearQueue(reason) {
    this.#limiter.clear(reason || 'Connection pool queue cleared')
  }

  /** @returns {Promise<void>} */
  async shutdown() {
    await this.#limiter.close({ timeoutMs: MAX_TIMEOUT_MS })
  }

  /**
   * @template T
   * @param {Wait} wait
   * @param {(signal: AbortSignal) => Promise<T>} fn
   * @param {any} token
   * @param {{ key?: string, cacheTtlMs?: number }} shared
   */
  async #run(wait, fn, token, shared) {
    const caller = new AbortController()
    /** @param {Error} error */
    const giveUp = (error) => {
      wait.callers.delete(patience)
      caller.abort(error)
    }
    const isFull = () => this.#running >= this.#maxConnections
    const patience = new Patience(this.#queueTimeout, isFull, () => {
      const message = `Connection pool timeout after ${this.#queueTimeout}ms`
      giveUp(refusal(message, 'ERR_POOL_ACQUIRE_TIMEOUT', MORE_PLACES))
    })
    wait.begin(patience)
    const call = {
      abort() {
        const what = wait.isOver ? 'Operation was cancelled' : 'Connection pool wait was cancelled'
        giveUp(cancelled(what, token))
      },
    }
    try {
      if (token) watch(token, call)
      const work = (/** @type {AbortSignal} */ signal) => wait.end(() => this.#work(fn, signal))
      return await this.#limiter.run(work, { signal: caller.signal, ...shared })
    } catch (error) {
      // What fn throws is its own affair, even where it is an error of another pool.
      throw wait.thrown?.error === error ? error : failure(error, WORDS)
    } finally {
      patience.end()
      wait.callers.delete(patience)
      if (token) unwatch(token, call)
    }
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} fn
   * @param {AbortSignal} signal
   */
  async #work(fn, signal) {
    this.#running++
    try {
      return await fn(signal)
    } finally {
      this.#running--
    }
  }
}

module.exports = { ConnectionPool }
