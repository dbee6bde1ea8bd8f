// @ts-check
'use strict'
// The pool's public face. Each method is one line of meaning; the work is the bridge's and native code's.

const { inspect } = require('node:util')
const { asyncDispose } = require('./async-dispose')
const { Bridge } = require('./bridge')
const { readCloseOptions } = require('./call-options')
const { remember } = require('./delivery')
const { ObservedEmitter } = require('./events')
const { invalidOption, show } = require('./invalid-option')
const { readOptions } = require('./options')
const { PooledConnection, leaseOf } = require('./pooled-connection')

class ConnectionPool extends ObservedEmitter {
  /** @type {Bridge} */
  #bridge
  /** @type {Promise<any> | null} */
  #closed = null

  /** @param {unknown} [options] */
  constructor(options) {
    super((observed) => this.#bridge.native.observe(observed ? 0xffffffff : 0))
    this.#bridge = new Bridge(this, readOptions(options))
  }

  get name() {
    return this.#bridge.name
  }

  get state() {
    return this.#bridge.native.state()
  }

  /**
   * @param {unknown} command
   * @param {any} [options]
   */
  execute(command, options) {
    if (options?.signal === undefined) return this.#bridge.execute(null, command, options, null)
    return remember((delivery) => this.#bridge.execute(null, command, options, delivery))
  }

  /** @param {unknown} [options] */
  async acquire(options) {
    return new PooledConnection(await this.#bridge.acquire(options))
  }

  /** @param {unknown} [options] */
  tryAcquire(options) {
    const lease = this.#bridge.tryAcquire(options)
    return lease === null ? null : new PooledConnection(lease)
  }

  /** @param {unknown} connection */
  async release(connection) {
    const lease = leaseOf(connection)
    if (lease?.bridge !== this.#bridge) {
      const what = lease === undefined ? show(connection) : `Connection ${lease.connectionId}`
      const message = `${what} is not a connection of this pool.`
      throw this.#bridge.error({ code: 'ERR_POOL_NOT_HELD', message })
    }
    lease.release()
  }

  /**
   * @template T
   * @param {(connection: PooledConnection) => T} work
   * @param {unknown} [options]
   */
  async use(work, options) {
    if (typeof work !== 'function') throw invalidOption('work', work, 'a function')
    const connection = await this.acquire(options)
    try {
      return await work(connection)
    } finally {
      await connection[asyncDispose]()
    }
  }

  [inspect.custom]() {
    const { name, state } = this
    const { idle, inUse, waiting } = this.stats()
    return `ConnectionPool ${inspect({ name, state, idle, inUse, waiting }, { breakLength: Infinity })}`
  }

  stats() {
    return this.#bridge.snapshot('stats')
  }

  connections() {
    return this.#bridge.snapshot('connections')
  }

  endpoints() {
    return this.#bridge.snapshot('endpoints')
  }

  ref() {
    this.#bridge.ref()
    return this
  }

  unref() {
    this.#bridge.unref()
    return this
  }

  /** @param {unknown} [options] */
  close(options) {
    try {
      const { timeoutMs, force } = readCloseOptions(options)
      if (this.#closed === null) this.#closed = this.#bridge.close(timeoutMs, force)
      else if (force) this.#bridge.forceClose()
      return this.#closed
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async [asyncDispose]() {
    await this.close()
  }
}

module.exports = { ConnectionPool }
