// @ts-check
'use strict'
// The hold of one caller on one slot. Whether it still stands native code decides, by slot and generation:
// a lease that was given back is refused there and harms nobody.

const { unwatch } = require('./garbage')
const { turn } = require('./turn')

/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('./pool-error').PoolError} PoolError */

/**
 * What a slot holds.
 * @typedef {object} Content
 * @property {number} connectionId
 * @property {string} endpoint
 * @property {number} createdAt in milliseconds since 1970
 * @property {number} dialect index; -1: none
 */

class Lease {
  /** Not given back yet. */
  held = true
  /** Commands of this holder that are not settled. */
  running = 0
  /** Calls for one more connection of the pool that this holder, the work of a `use`, waits for. */
  waits = 0
  /** The lease, of whatever pool, in whose work the `use` of this one was called. @type {Lease | null} */
  outer = null
  /** Where garbage.js keeps its connection. */
  fresh = -1
  #slot
  #generation
  #since

  /**
   * @param {Bridge} bridge
   * @param {Content} content of the slot
   * @param {number} slot
   * @param {number} generation
   * @param {number} useCount how often it was used before
   */
  constructor(bridge, content, slot, generation, useCount) {
    this.bridge = bridge
    this.content = content
    this.useCount = useCount
    this.#slot = slot
    this.#generation = generation
    this.#since = turn.at || turn.begin()
  }

  get connectionId() {
    return this.content.connectionId
  }

  get endpoint() {
    return this.content.endpoint
  }

  get createdAt() {
    return this.content.createdAt
  }

  get dialect() {
    return this.content.dialect
  }

  /**
   * @param {number} ticket
   * @param {string} type
   * @param {string} params JSON
   * @param {import('./call-options').CallOptions} call
   * @throws {PoolError} ERR_POOL_NOT_HELD
   */
  submit(ticket, type, params, { timeoutMs, raw }) {
    if (!this.held) throw this.notHeld()
    const { native } = this.bridge
    return native.executeHeld(this.#slot, this.#generation, ticket, type, params, timeoutMs, raw)
  }

  /** @throws {PoolError} ERR_POOL_NOT_HELD */
  release() {
    this.#end()
    const { bridge } = this
    // A command that is not answered yet is finished first, which is native code's to see to.
    if (this.running === 0 && bridge.lending.putBack(this.#slot, this.#generation, this.#since))
      return
    bridge.lending.giveBack(this.#slot, this.#generation)
  }

  /** Its holder met trouble with it: whoever gets it next shall know that it is well. */
  doubt() {
    if (this.held) this.bridge.native.doubt(this.#slot, this.#generation)
  }

  /**
   * @param {string} reason
   * @throws {PoolError} ERR_POOL_NOT_HELD
   */
  discard(reason) {
    this.#end()
    this.#check(this.bridge.native.discard(this.#slot, this.#generation, reason))
  }

  /**
   * Gives it back to be mended.
   * @param {number} ticket
   * @throws {PoolError} ERR_POOL_NOT_HELD
   */
  recycle(ticket) {
    this.#end()
    this.#check(this.bridge.native.recycle(this.#slot, this.#generation, ticket))
  }

  /** Its connection was garbage collected: nobody can give it back any more. */
  reclaim() {
    if (!this.held) return
    this.held = false
    this.bridge.gaveBack(this, this.#slot, this.#generation)
    this.bridge.native.reclaim(this.#slot, this.#generation)
  }

  #end() {
    if (!this.held) throw this.notHeld()
    this.held = false
    unwatch(this)
    this.bridge.gaveBack(this, this.#slot, this.#generation)
  }

  /** @param {string | null} fault */
  #check(fault) {
    if (fault !== null) throw this.bridge.error(fault)
  }

  notHeld() {
    const { connectionId, endpoint } = this
    const message = `${this.bridge.lent} ${connectionId} is not held any more: it was given back already.`
    return this.bridge.error({ code: 'ERR_POOL_NOT_HELD', message, connectionId, endpoint })
  }
}

/** A connection lent to a hook. The pool takes it back itself, when the hook has ended. */
class HookLease extends Lease {
  release() {
    throw this.#refusal()
  }

  discard() {
    throw this.#refusal()
  }

  recycle() {
    throw this.#refusal()
  }

  #refusal() {
    if (!this.held) return this.notHeld()
    const { connectionId, endpoint } = this
    const { lent } = this.bridge
    const message = `${lent} ${connectionId} is lent to a hook, not held by it.`
    const advice = `Return from the hook to keep the ${lent.toLowerCase()}; throw to have it closed.`
    return this.bridge.error({ code: 'ERR_POOL_NOT_HELD', message, advice, connectionId, endpoint })
  }
}

module.exports = { HookLease, Lease }
