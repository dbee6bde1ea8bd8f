// @ts-check
'use strict'
// A connection in its holder's hands: the face of a lease.

const { inspect } = require('node:util')
const { asyncDispose } = require('./async-dispose')
const { remember } = require('./delivery')
const { execute } = require('./execute')
const { invalidOption } = require('./invalid-option')
const { dialects } = require('./tables')

/** @typedef {import('./lease').Lease} Lease */

/**
 * The lease behind a connection; undefined for anything else.
 * @type {(value: unknown) => Lease | undefined}
 */
let leaseOf

class PooledConnection {
  #lease

  static {
    leaseOf = (value) =>
      typeof value === 'object' && value !== null && #lease in value ? value.#lease : undefined
  }

  /** @param {Lease} lease */
  constructor(lease) {
    this.#lease = lease
  }

  get id() {
    return this.#lease.connectionId
  }

  get endpoint() {
    return this.#lease.endpoint
  }

  get dialect() {
    return dialects[this.#lease.dialect].name
  }

  get inUse() {
    return this.#lease.held
  }

  get createdAt() {
    return this.#lease.createdAt
  }

  get useCount() {
    return this.#lease.useCount
  }

  [inspect.custom]() {
    const { id, endpoint, dialect, inUse } = this
    return `PooledConnection ${inspect({ id, endpoint, dialect, inUse }, { breakLength: Infinity })}`
  }

  /**
   * @param {unknown} command
   * @param {any} [options]
   */
  execute(command, options) {
    const lease = this.#lease
    if (options?.signal === undefined) return execute(lease.bridge, lease, command, options, null)
    return remember((delivery) => execute(lease.bridge, lease, command, options, delivery))
  }

  async release() {
    this.#lease.release()
  }

  /** @param {string} [reason] */
  async discard(reason = 'discarded by its holder') {
    if (typeof reason !== 'string') throw invalidOption('reason', reason, 'a string')
    this.#lease.discard(reason)
  }

  async [asyncDispose]() {
    if (!this.#lease.held) return
    try {
      this.#lease.release()
    } catch {
      // The pool has cut it meanwhile: there is nothing left to give back.
    }
  }
}

module.exports = { PooledConnection, leaseOf }
