// @ts-check
'use strict'
// `src/cli/cli_connection_pool.ts` of a command-line tool, name for name, over the limiter of this package.
//
// | what | there | here, and why |
// |---|---|---|
// | maxConnections | exceeded when two ended at the same time | holds: a permit is claimed before anybody is told |
// | rate | checked before waiting for a place, in no order | checked when a place is there: what starts is within the rate, first come, first served |
// | queueTimeout | waiting for a place; not for the rate | the same |
// | shutdown | what waited for the rate started afterwards | nothing starts any more; it still waits for what runs |
// | fn | called without arguments | is given an AbortSignal |
// | cancelling what runs | did nothing | rejects its caller at once, and aborts that signal. The place stays taken until fn has settled |
// | cancelling what waits | left it to the listener | frees it at once |
// | one listener on the token | for each wait, for ever | for all waits together, and taken back with the last where the token can |
// | a token | of that tool | anything that can be asked or listened to (see token.js), or an AbortSignal |
// | cancelling one of several with the same key | cancelled all, where it was the first | only that caller; fn is told when no other is left |
// | a kept result | one for the pools of a name | one for a pool; `clearQueue` forgets what is kept |
// | queuedRequests | those that wait for a place | those that wait for the rate too |
// | cacheHitRate | share of kept results among all entries | share of calls with a key that were spared |
// | a misspelt setting | ignored in silence | ignored, with a process warning, once for each name |
// | no options at all | a TypeError of the destructuring | an error that says what is missing |
// | errors | message | the same message, with `code`, `advice`, `delivered` and `retryable` |

const { ConnectionPool } = require('./call-pool')

/** @typedef {import('./call-pool').ConnectionPoolOptions} ConnectionPoolOptions */

const DEFAULTS = { maxConnections: 10, requestsPerMinute: 60, requestsPerSecond: 10 }

class ApiConnectionPoolManager {
  /** @type {Map<string, ConnectionPool>} */
  #pools = new Map()
  #default

  /** @param {ConnectionPoolOptions} [defaultOptions] */
  constructor(defaultOptions) {
    this.#default = new ConnectionPool(defaultOptions || DEFAULTS)
  }

  /**
   * @param {string} name
   * @param {ConnectionPoolOptions} options
   */
  createPool(name, options) {
    const pool = new ConnectionPool(options, name)
    this.#pools.set(name, pool)
    return pool
  }

  /** @param {string} [name] */
  getPool(name) {
    if (!name) return this.#default
    const pool = this.#pools.get(name)
    if (pool !== undefined) return pool
    const message = `Pool '${name}' not found, using default pool`
    process.emitWarning(message, { type: 'BlenderPoolWarning' })
    return this.#default
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} fn
   * @param {string} [poolName]
   * @param {any} [token]
   * @param {string} [requestKey]
   * @returns {Promise<T>}
   */
  async execute(fn, poolName, token, requestKey) {
    return await this.getPool(poolName).execute(fn, token, requestKey)
  }

  getAllStats() {
    /** @type {Record<string, ReturnType<ConnectionPool['getStats']>>} */
    const stats = { default: this.#default.getStats() }
    for (const [name, pool] of this.#pools) stats[name] = pool.getStats()
    return stats
  }

  /** @returns {Promise<void>} */
  async shutdown() {
    const pools = [this.#default, ...this.#pools.values()]
    await Promise.all(pools.map((pool) => pool.shutdown()))
    this.#pools.clear()
  }
}

/** @type {ApiConnectionPoolManager | undefined} */
let shared

/**
 * The process's own, made when it is first asked for.
 * @param {ConnectionPoolOptions} [options] of its default pool; heeded the first time only
 */
function getApiConnectionPoolManager(options) {
  shared ??= new ApiConnectionPoolManager(options)
  return shared
}

exports.ApiConnectionPoolManager = ApiConnectionPoolManager
exports.ConnectionPool = ConnectionPool
exports.getApiConnectionPoolManager = getApiConnectionPoolManager
