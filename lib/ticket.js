// @ts-check
'use strict'
// One submitted call, from the moment native code has it until its caller is told, exactly once: by the
// entry that comes for it, or by the caller's own signal.
//
//   waiting ──entry──────────────────────────> settled
//      └─────abort──> aborted ──entry, if one was on its way──> (a lease is given back)

const { unwatch, watch } = require('./abort')
const { Entry } = require('./binding')

/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('./lease').Lease} Lease */

/** @type {readonly Lease[]} */
const NOBODY = Object.freeze([])

function unheard() {}

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
  /** Who waits for it, each with a connection of the same pool in hand. */
  holders = NOBODY
  /** What its caller is lent, if that did not come by an entry. @type {any} */
  lent = undefined
  /** @type {(outcome: any) => void} */
  #resolve = unheard

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
    /** For what is told of an aborted call: only with a signal is there one. */
    this.startedAt = signal === undefined ? 0 : performance.now()
    /** With the outcome. @type {Promise<any>} */
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
    // Now too: those that end together have waited in one circle, until the first caller goes on.
    const isStarved = kind === Entry.FAULT && this.holders.length > 0
    this.kind = kind
    this.payload = isStarved ? this.bridge.nesting?.faultOf(payload) : payload
    this.aux = aux
    this.bridge.outbox.letGo()
    this.#resolve(this.outcome())
  }

  /** What `settled` resolves with. Of most calls nothing: whoever waits for one looks at what came. @returns {any} */
  outcome() {}

  /**
   * What it asked for was there without native code; no entry will come.
   * @param {any} lent what its caller gets, or a promise of it
   */
  serve(lent) {
    this.lent = lent
    this.bridge.outbox.letGo()
    this.#resolve(undefined)
  }

  /** The caller's signal has aborted. The caller is told at once, whatever becomes of the request. */
  abort() {
    if (this.signal !== undefined) unwatch(this.signal, this)
    this.aborted = true
    this.bridge.cancel(this)
    this.bridge.outbox.letGo()
    this.#resolve(this.outcome())
  }
}

module.exports = { Ticket }
