// @ts-check
'use strict'
// The hold of one caller on one slot. Whether it still stands native code decides, by slot and generation:
// a lease that was given back is refused there and harms nobody.

/** @typedef {import('./bridge').Bridge} Bridge */

class Lease {
  /** Not given back yet. */
  held = true
  #slot
  #generation

  /**
   * @param {Bridge} bridge
   * @param {import('./binding').LeaseArray} array
   */
  constructor(bridge, [slot, generation, connectionId, endpoint, createdAt, useCount, dialect]) {
    this.bridge = bridge
    this.#slot = slot
    this.#generation = generation
    this.connectionId = connectionId
    this.endpoint = bridge.endpoints[endpoint]
    this.createdAt = createdAt
    this.useCount = useCount
    this.dialect = dialect
  }

  /**
   * @param {number} ticket
   * @param {string} type
   * @param {string} params JSON
   * @param {import('./call-options').CallOptions} call
   * @throws {import('./pool-error').PoolError} ERR_POOL_NOT_HELD
   */
  submit(ticket, type, params, { timeoutMs, raw }) {
    if (!this.held) throw this.#notHeld()
    const { native } = this.bridge
    return native.executeHeld(this.#slot, this.#generation, ticket, type, params, timeoutMs, raw)
  }

  /** @throws {import('./pool-error').PoolError} ERR_POOL_NOT_HELD */
  release() {
    this.#end()
    this.#check(this.bridge.native.release(this.#slot, this.#generation))
  }

  /**
   * @param {string} reason
   * @throws {import('./pool-error').PoolError} ERR_POOL_NOT_HELD
   */
  discard(reason) {
    this.#end()
    this.#check(this.bridge.native.discard(this.#slot, this.#generation, reason))
  }

  #end() {
    if (!this.held) throw this.#notHeld()
    this.held = false
  }

  /** @param {string | null} fault */
  #check(fault) {
    if (fault !== null) throw this.bridge.error(fault)
  }

  #notHeld() {
    const { connectionId, endpoint } = this
    const message = `Connection ${connectionId} is not held any more: it was given back already.`
    return this.bridge.error({ code: 'ERR_POOL_NOT_HELD', message, connectionId, endpoint })
  }
}

module.exports = { Lease }
