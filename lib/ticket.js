// @ts-check
'use strict'
// One submitted call, from the moment native code has it until its caller is told, exactly once: by the
// entry that comes for it, or by the caller's own signal.
//
//   waiting ──entry──────────────────────────> settled
//      ├─────refuse (the facade's own fault)──> settled
//      └─────abort──> aborted ──entry, if one was on its way──> (a lease is given back)

const { unwatch, watch } = require('./abort')
const { Entry } = require('./binding')

/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('./lease').Lease} Lease */

class Ticket {
  /** What came: an Entry kind, with its payload and aux. @type {number} */
  kind = -1
  /** @type {any} */
  payload = undefined
  /** @type {any} */
  aux = undefined
  aborted = false
  /** Whether it asks for a connection; a command on a held one does not. */
  checksOut = true
  /** Where to say, when it is aborted, whether the command may have run. @type {import('./delivery').Delivery | null} */
  delivery = null
  /** Where it was asked for, if that is to be known of its lease. @type {import('./origins').Site | undefined} */
  site = undefined
  /** What the caller awaits. @type {Promise<unknown> | null} */
  promise = null
  /** The holder, of whatever pool, that waits for it; the innermost. @type {Lease | null} */
  outer = null
  /** Who waits for it, each with a connection of the same pool in hand. @type {readonly Lease[]} */
  holders = []
  #resolve = () => {}

  /**
   * @param {Bridge} bridge
   * @param {number} number
   * @param {number} key names the request to native code
   * @param {string | null} type the command's; null for an acquire
   * @param {AbortSignal | undefined} signal
   */
  constructor(bridge, number, key, type, signal) {
    this.bridge = bridge
    this.number = number
    this.key = key
    this.type = type
    this.signal = signal
    this.startedAt = performance.now()
    /** Resolves, never rejects: the error is made where the caller waits. @type {Promise<void>} */
    this.settled = new Promise((resolve) => {
      this.#resolve = resolve
    })
    if (signal !== undefined) watch(signal, this)
  }

  /**
   * Its entry has come.
   * @param {number} kind
   * @param {any} payload
   * @param {any} aux
   */
  settle(kind, payload, aux) {
    if (this.aborted) {
      this.bridge.lateEntry(this, kind, payload)
      return
    }
    if (this.signal !== undefined) unwatch(this.signal, this)
    // Now, and not when the caller goes on: the next entry may tell of this very lease.
    if (this.site !== undefined && kind === Entry.LEASE)
      this.bridge.origins?.granted(payload, this.site)
    this.kind = kind
    this.payload = payload
    this.aux = aux
    this.bridge.outbox.letGo()
    this.#resolve()
  }

  /**
   * The facade has a fault for it before native code has an answer.
   * @param {import('./pool-error').Fault} fault
   * @returns {boolean} false: it has its answer already
   */
  refuse(fault) {
    if (this.kind >= 0 || this.aborted || !this.bridge.withdraw(this, fault)) return false
    this.settle(Entry.FAULT, fault, undefined)
    return true
  }

  /** The caller's signal has aborted. The caller is told at once, whatever becomes of the request. */
  abort() {
    if (this.signal !== undefined) unwatch(this.signal, this)
    this.aborted = true
    this.bridge.cancel(this)
    this.bridge.outbox.letGo()
    this.#resolve()
  }
}

module.exports = { Ticket }
