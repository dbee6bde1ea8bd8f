// @ts-check
'use strict'
// The way to one Blender, for both old files: a pool that finds out what the add-on speaks. The old files
// spoke one dialect and asked nobody, so to whoever does not tell (it is busy, or a test's own small server)
// that one is spoken, and nothing is sent but the callers' commands.

const { ConnectionPool } = require('../lib/connection-pool')
const { readResponse, responseOf } = require('./response')

/** @typedef {import('../lib/pool-error').PoolError} PoolError */

/** The one dialect of the old files. */
const DIALECT = 'blender-mcp'

/** A failed connect is told at once, and the next call tries again: as ever, waiting is the caller's affair. */
const PROMPT = { connectRetryMs: 0, retryBackoffMs: 10 }

/** A first contact takes up to two seconds with who keeps silent, however little patience a call has. */
const MIN_PATIENCE_MS = 10_000

/** How long a reply that nobody waits for any more is read, at most; while it is, Blender counts as busy. */
const MAX_DRAIN_MS = 5_000

let isWarned = false

/**
 * @param {{ host: string, port: number }} endpoint
 * @param {Record<string, unknown>} options
 * @throws {PoolError} ERR_POOL_INVALID_OPTION
 */
function open(endpoint, options) {
  const all = { endpoints: endpoint, ...PROMPT, ...options }
  try {
    return new ConnectionPool(all)
  } catch {
    // Either it is another machine, or this throws the same again.
    const pool = new ConnectionPool({ ...all, allowRemote: true })
    warnOfRemote(endpoint)
    return pool
  }
}

/** @param {{ host: string, port: number }} endpoint */
function warnOfRemote({ host, port }) {
  if (isWarned) return
  isWarned = true
  process.emitWarning(
    `Blender at ${host}:${port} is not on this machine. Its add-on runs any code that reaches it, without a password.`,
    { type: 'BlenderPoolWarning', detail: 'Better tunnel the port, for instance with ssh -L.' },
  )
}

/** @param {ConnectionPool} pool of which a connection that stands holds the process, and a pending call as ever */
function holdWhileConnected(pool) {
  /** @type {Set<number>} */
  const standing = new Set()
  pool.unref()
  pool.on('connectionReady', ({ connectionId }) => {
    standing.add(connectionId)
    pool.ref()
  })
  pool.on('connectionClosed', ({ connectionId }) => {
    standing.delete(connectionId)
    if (standing.size === 0) pool.unref()
  })
}

/** @param {any} error of a first contact @returns {boolean} something listens there, and does not say what it speaks */
function isUntold({ details }) {
  return details?.probe !== undefined
}

class Line {
  #endpoint
  #options
  #timeoutMs
  #pool
  /** What the add-on speaks; null: not asked yet. @type {string | null} */
  #dialect = null
  /** @type {Promise<void> | null} */
  #meeting = null
  /** The connection that the first contact used. */
  #metId = -1
  #isClosed = false
  #onClosed
  #holdsAlways

  /**
   * @param {{ host: string, port: number, timeoutMs: number }} blender `timeoutMs`: the longest that one
   *   call waits for it
   * @param {Record<string, number>} options of the pool
   * @param {object} [face] of the old file
   * @param {(connectionId: number) => void} [face.onClosed] told of every connection that is gone
   * @param {boolean} [face.holdsAlways] whether it holds the process until it is closed. Otherwise it does while
   *   a connection stands or a call is pending, as a socket would
   * @throws {PoolError} ERR_POOL_INVALID_OPTION
   */
  constructor({ host, port, timeoutMs }, options, { onClosed, holdsAlways = false } = {}) {
    this.#endpoint = { host, port }
    this.#timeoutMs = timeoutMs
    this.#options = {
      acquireTimeoutMs: Math.max(timeoutMs, MIN_PATIENCE_MS),
      commandTimeoutMs: timeoutMs,
      drainTimeoutMs: Math.min(Math.ceil(timeoutMs / 10), MAX_DRAIN_MS),
      ...options,
    }
    this.#onClosed = onClosed
    this.#holdsAlways = holdsAlways
    this.#pool = this.#open({})
  }

  /** The pool as it stands, met or not. */
  get pool() {
    return this.#pool
  }

  /**
   * The pool, once the add-on has been met.
   * @returns {Promise<ConnectionPool> | ConnectionPool}
   */
  ready() {
    if (this.#dialect !== null) return this.#pool
    this.#meeting ??= this.#meet().finally(() => {
      this.#meeting = null
    })
    return this.#meeting.then(() => this.#pool)
  }

  /**
   * How often callers have used a connection; the first contact was none.
   * @param {{ id: number, useCount: number }} connection
   */
  usesOf({ id, useCount }) {
    return id === this.#metId ? useCount - 1 : useCount
  }

  /**
   * One command, one reply.
   * @param {string} type
   * @param {any} [params]
   */
  async run(type, params) {
    const pool = await this.ready()
    const isOwn = this.#dialect === DIALECT
    const options = { timeoutMs: this.#timeoutMs, raw: isOwn }
    const answer = await this.#execute(pool, type, params || undefined, options)
    return isOwn ? readResponse(answer) : responseOf(answer)
  }

  /** @param {number} timeoutMs for what runs */
  async close(timeoutMs) {
    this.#isClosed = true
    await this.#pool.close({ timeoutMs })
  }

  async #meet() {
    const asked = this.#pool
    try {
      const connection = await asked.acquire()
      this.#dialect = connection.dialect
      this.#metId = connection.id
      // It may be lost again: then there is nothing to give back.
      await connection.release().catch(() => {})
    } catch (error) {
      if (this.#isClosed || !isUntold(error)) throw error
      this.#pool = this.#open({ dialect: DIALECT, pingOnConnect: false, healthCheckIntervalMs: 0 })
      this.#dialect = DIALECT
      await asked.close({ force: true })
    }
  }

  /** @param {Record<string, unknown>} options */
  #open(options) {
    const pool = open(this.#endpoint, { ...this.#options, ...options })
    const onClosed = this.#onClosed
    if (onClosed) pool.on('connectionClosed', ({ connectionId }) => onClosed(connectionId))
    if (!this.#holdsAlways) holdWhileConnected(pool)
    return pool
  }

  /**
   * @param {ConnectionPool} pool
   * @param {string} type
   * @param {object | undefined} params
   * @param {{ timeoutMs: number, raw: boolean }} options
   */
  async #execute(pool, type, params, options) {
    try {
      return await pool.execute({ type, params }, options)
    } catch (error) {
      if (/** @type {PoolError} */ (error).code !== 'ERR_POOL_INVALID_COMMAND') throw error
      // The old files sent whatever JSON.stringify makes of it (dates, instances, NaN).
      return await pool.execute({ type, params: plain(params) }, options)
    }
  }
}

/** @param {unknown} params @throws {TypeError} a cycle or a BigInt */
function plain(params) {
  return params === undefined ? undefined : JSON.parse(JSON.stringify(params))
}

module.exports = { Line }
