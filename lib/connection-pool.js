// @ts-check
'use strict'
// The pool's public face. Each method is one line of meaning; the work is the bridge's and native code's.

const { inspect } = require('node:util')
const { asyncDispose } = require('./async-dispose')
const { Bridge } = require('./bridge')
const { remember } = require('./delivery')
const { ObservedEmitter } = require('./events')
const { execute } = require('./execute')
const { invalidOption, show } = require('./invalid-option')
const { renderMetrics } = require('./metrics')
const { readOptions } = require('./options')
const { Orders } = require('./orders')
const { leaseOf } = require('./pooled-connection')
const { acquiring } = require('./tracing')

/** @typedef {import('./pooled-connection').PooledConnection} PooledConnection */

class ConnectionPool extends ObservedEmitter {
  /** @type {Bridge} */
  #bridge
  #orders

  /** @param {unknown} [options] */
  constructor(options) {
    super((mask) => this.#bridge.herald.listen(mask))
    this.#bridge = new Bridge(this, readOptions(options))
    this.#orders = new Orders(this.#bridge)
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
    if (options?.signal === undefined) return execute(this.#bridge, null, command, options, null)
    return remember((delivery) => execute(this.#bridge, null, command, options, delivery))
  }

  /** @param {any} [options] */
  acquire(options) {
    if (!acquiring.hasSubscribers) return this.#bridge.acquire(options)
    /** @type {Record<string, unknown>} */
    const context = { pool: this.name }
    if (options?.endpoint !== undefined) context.endpoint = options.endpoint
    return acquiring.trace(async () => {
      const connection = await this.#bridge.acquire(options)
      context.connectionId = connection.id
      context.endpoint = connection.endpoint
      return connection
    }, context)
  }

  /** @param {unknown} [options] */
  tryAcquire(options) {
    return this.#bridge.tryAcquire(options)
  }

  /** @param {unknown} connection */
  async release(connection) {
    this.#leaseOf(connection).release()
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
      return await this.#bridge.within(leaseOf(connection), work, connection)
    } finally {
      await connection[asyncDispose]()
    }
  }

  [inspect.custom]() {
    const { name, state } = this
    const { idle, inUse, waiting } = this.stats()
    return `ConnectionPool ${inspect({ name, state, idle, inUse, waiting }, { breakLength: Infinity })}`
  }

  ready() {
    this.#orders.ready()
  }

  pause() {
    this.#orders.pause()
  }

  /** @param {unknown} [options] */
  clear(options) {
    this.#orders.clear(options)
  }

  /** @param {unknown} size */
  resize(size) {
    this.#orders.resize(size)
  }

  warm() {
    return this.#orders.warm()
  }

  checkHealth() {
    return this.#orders.checkHealth()
  }

  /**
   * @param {unknown} connection
   * @param {any} work
   */
  async recycle(connection, work) {
    return await this.#bridge.hooks.recycle(this.#leaseOf(connection), work)
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

  metrics() {
    return renderMetrics(this.name, this.stats())
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
    return this.#orders.close(options)
  }

  async [asyncDispose]() {
    await this.close()
  }

  /** @param {unknown} connection */
  #leaseOf(connection) {
    const lease = leaseOf(connection)
    if (lease?.bridge === this.#bridge) return lease
    const what = lease === undefined ? show(connection) : `Connection ${lease.connectionId}`
    const message = `${what} is not a connection of this pool.`
    throw this.#bridge.error({ code: 'ERR_POOL_NOT_HELD', message })
  }
}

module.exports = { ConnectionPool }
