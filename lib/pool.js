// @ts-check
'use strict'
// The public face of every pool, whatever it lends. Each method is one line of meaning; the work is the bridge's
// and native code's.

const { inspect } = require('node:util')
const { asyncDispose } = require('./async-dispose')
const { Bridge } = require('./bridge')
const { ObservedEmitter } = require('./events')
const { leaseOf } = require('./held')
const { invalidOption, show } = require('./invalid-option')
const { readOptions } = require('./options')
const { Orders } = require('./orders')
const { acquiring } = require('./tracing')

/** @typedef {import('./held').Held} Held */
/** @typedef {import('./lease').Lease} Lease */

/**
 * The bridge of a pool.
 * @type {(pool: Pool<any>) => Bridge}
 */
let bridgeOf

/** @template {Held} H what is lent */
class Pool extends ObservedEmitter {
  /** @type {Bridge} */
  #bridge
  #orders

  static {
    bridgeOf = (pool) => pool.#bridge
  }

  /**
   * @param {import('./tables').Owner} owner whose options these are
   * @param {unknown} options
   * @param {(lease: Lease) => H} lend makes what a holder gets
   * @param {import('./bridge').MakeErrands | null} [makeErrands] where user code makes what is lent
   */
  constructor(owner, options, lend, makeErrands = null) {
    super((mask) => this.#bridge.herald.listen(mask))
    this.#bridge = new Bridge(owner, this, readOptions(owner, options), lend, makeErrands)
    this.#orders = new Orders(this.#bridge)
  }

  get name() {
    return this.#bridge.name
  }

  get state() {
    return this.#bridge.native.state()
  }

  /**
   * @param {any} [options]
   * @returns {Promise<H>}
   */
  acquire(options) {
    if (!acquiring.hasSubscribers) return this.#bridge.lending.acquire(options)
    /** @type {Record<string, unknown>} */
    const context = { pool: this.name }
    if (options?.endpoint !== undefined) context.endpoint = options.endpoint
    return acquiring.trace(async () => {
      const held = await this.#bridge.lending.acquire(options)
      context.connectionId = held.id
      context.endpoint = leaseOf(held)?.endpoint
      return held
    }, context)
  }

  /**
   * @param {unknown} [options]
   * @returns {H | null}
   */
  tryAcquire(options) {
    return this.#bridge.lending.tryAcquire(options)
  }

  /** @param {unknown} held */
  async release(held) {
    this.#leaseOf(held).release()
  }

  /**
   * @template T
   * @param {(held: H) => T} work
   * @param {unknown} [options]
   */
  async use(work, options) {
    if (typeof work !== 'function') throw invalidOption('work', work, 'a function')
    const held = await this.acquire(options)
    try {
      return await this.#bridge.within(leaseOf(held), work, held)
    } catch (error) {
      // A command's failure says what became of its connection; of a resource nobody knows.
      if (this.#bridge.errands !== null) leaseOf(held)?.doubt()
      throw error
    } finally {
      await held[asyncDispose]()
    }
  }

  [inspect.custom]() {
    const { name, state } = this
    const { idle, inUse, waiting } = this.stats()
    return `${this.constructor.name} ${inspect({ name, state, idle, inUse, waiting }, { breakLength: Infinity })}`
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
   * @param {unknown} held
   * @param {any} work
   */
  async recycle(held, work) {
    return await this.#bridge.hooks.recycle(this.#leaseOf(held), work)
  }

  stats() {
    return this.#bridge.snapshot('stats')
  }

  metrics() {
    // Loaded by those who ask: it is a long table.
    return require('./metrics').renderMetrics(this.name, this.stats())
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

  /** @param {unknown} held */
  #leaseOf(held) {
    const lease = leaseOf(held)
    if (lease?.bridge === this.#bridge) return lease
    const { lent } = this.#bridge
    const what = lease === undefined ? show(held) : `${lent} ${lease.connectionId}`
    const message = `${what} is not a ${lent.toLowerCase()} of this pool.`
    throw this.#bridge.error({ code: 'ERR_POOL_NOT_HELD', message })
  }
}

module.exports = { Pool, bridgeOf }
