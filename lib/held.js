// @ts-check
'use strict'
// What a pool lends, in its holder's hands: the face of a lease.

const { inspect } = require('node:util')
const { asyncDispose } = require('./async-dispose')
const { invalidOption } = require('./invalid-option')

/** @typedef {import('./lease').Lease} Lease */

/** For all whose call was obeyed at once. @type {Promise<void>} */
const done = Promise.resolve()

/**
 * The lease behind what a pool lends; undefined for anything else.
 * @type {(value: unknown) => Lease | undefined}
 */
let leaseOf

/**
 * The same where there is no doubt.
 * @type {(held: Held) => Lease}
 */
let heldLease

class Held {
  #lease

  static {
    leaseOf = (value) =>
      typeof value === 'object' && value !== null && #lease in value ? value.#lease : undefined
    heldLease = (held) => held.#lease
  }

  /** @param {Lease} lease */
  constructor(lease) {
    this.#lease = lease
  }

  get id() {
    return this.#lease.connectionId
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
    return `${this.constructor.name} ${inspect(this.shown(), { breakLength: Infinity })}`
  }

  /** What a log shows of it. @returns {object} */
  shown() {
    return { id: this.id, inUse: this.inUse }
  }

  release() {
    try {
      this.#lease.release()
      return done
    } catch (error) {
      return Promise.reject(error)
    }
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

module.exports = { Held, heldLease, leaseOf }
