// @ts-check
'use strict'
// How a pool lends what its slots hold: from the shelf, from one holder to the next, or by way of native code, in the
// order in which callers came whichever way each of them is served.

const { Arrivals } = require('./arrivals')
const { NONE, readCallOptions } = require('./call-options')
const { watch } = require('./garbage')
const { Lease } = require('./lease')
const { refused } = require('./refusal')
const { makeShelf } = require('./shelf')
const { Ticket } = require('./ticket')
const { turn } = require('./turn')

/** @typedef {import('./binding').LeaseArray} LeaseArray */
/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('./lease').Content} Content */
/** @typedef {import('./pool-error').PoolError} PoolError */
/** @typedef {import('./shelf').Shelf} Shelf */

class Lending {
  #bridge
  #native
  #shelf
  #arrivals
  /** What each slot holds, as far as it has been lent. @type {(Content | undefined)[]} */
  #contents = []

  /**
   * @param {Bridge} bridge
   * @param {import('./binding').NativePool} native
   * @param {Record<string, any>} values the pool's options
   */
  constructor(bridge, native, values) {
    this.#bridge = bridge
    this.#native = native
    this.#shelf = makeShelf(native, values)
    const { acquireTimeoutMs } = values
    const max = values.maxWaiting ?? Infinity
    this.#arrivals = new Arrivals(this.#shelf, max, acquireTimeoutMs, this.#serve.bind(this))
  }

  /** Native code's end. It is told of all who came before whatever it is called for. */
  get native() {
    this.#arrivals.flush()
    return this.#native
  }

  /** Tells native code all that counts and is not told yet. */
  settle() {
    this.#shelf?.settle()
  }

  /** The pool is closed. */
  end() {
    this.#arrivals.end()
  }

  /**
   * @param {unknown} options
   * @returns {Promise<any>} what is lent
   */
  acquire(options) {
    try {
      const call = readCallOptions(options, 'acquire', this.#bridge.choices)
      if (call.signal?.aborted) return Promise.reject(call.signal.reason)
      const held = this.#fromShelf()
      if (held !== null) return Promise.resolve(held)
      // Whoever is inside the work of a `use` is followed: see nesting.js.
      if (call === NONE && this.#arrivals.mayWait && !this.#bridge.nesting?.isInside) {
        return new Promise((resolve) => {
          this.#arrivals.add({ resolve, since: turn.at || turn.begin() })
        })
      }
      this.#arrivals.flush()
      const got = this.#ask(call, 0, this.#bridge.origins?.here(this.acquire))
      return got instanceof Ticket ? this.#heldLater(got) : Promise.resolve(got)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Has native code give a slot, now or later.
   * @param {Readonly<import('./call-options').CallOptions>} call
   * @param {number} waitedMs how long its caller has waited already
   * @param {import('./origins').Site | undefined} site
   * @returns {any} what is lent, or the ticket of a caller who waits
   */
  #ask(call, waitedMs, site) {
    const { timeoutMs, endpoint, priority, affinity } = call
    this.#bridge.herald.observe()
    const number = this.#bridge.outbox.nextTicket()
    // Who may turn away, and whose wait is followed, waits there alone.
    const stays = call.signal !== undefined || this.#bridge.nesting?.isInside === true
    const answer = this.#native.acquire(
      number,
      timeoutMs,
      endpoint,
      priority,
      affinity,
      waitedMs,
      stays,
    )
    if (typeof answer === 'string') throw this.#bridge.error(answer)
    if (typeof answer === 'object') {
      if (site !== undefined) this.#bridge.origins?.granted(answer, site)
      return this.#lend(answer)
    }
    const ticket = this.#bridge.outbox.open(this.#bridge, number, answer, null, call.signal)
    ticket.site = site
    this.#bridge.nesting?.waits(ticket)
    return ticket
  }

  /** A slot from the shelf, unless others came before; null: native code must be asked. */
  #fromShelf() {
    const shelf = this.#shelf
    if (shelf === null || this.#arrivals.length > 0 || !shelf.take()) return null
    return this.#lendOwn(shelf.slot, shelf.generation)
  }

  /**
   * What was taken here.
   * @param {number} slot
   * @param {number} generation
   */
  #lendOwn(slot, generation) {
    const shelf = /** @type {Shelf} */ (this.#shelf)
    let content = this.#contents[slot]
    if (content === undefined || (content.connectionId | 0) !== shelf.idOf(slot)) {
      const array = this.#native.holdInHand(slot)
      if (array === null || array[1] !== generation) {
        // It was lost the moment it was taken, and nobody else will let go of it.
        this.#bridge.outbox.release(this.#native, slot, generation)
        return null
      }
      content = this.contentOf(array)
    }
    return this.#hand(new Lease(this.#bridge, content, slot, generation, shelf.useCount(slot)))
  }

  /**
   * Takes back what a holder has in hand, for the next in line here or for the shelf. False: native code must be called.
   * @param {number} slot
   * @param {number} generation
   * @param {number} since when it was taken
   */
  putBack(slot, generation, since) {
    const shelf = this.#shelf
    if (shelf === null) return false
    if (shelf.isOffered) this.#fetchThoseWhoWait()
    const { length } = this.#arrivals
    if (length === 0) return shelf.putBack(slot, generation, since)
    const arrivals = this.#arrivals
    if (!shelf.passOn(slot, generation, since, arrivals.since, length)) return false
    // What its holder has had in hand is known, even if it is lost and replaced in this very moment.
    const content = /** @type {Content} */ (this.#contents[slot])
    const useCount = shelf.useCount(slot)
    this.#arrivals
      .next()
      .resolve(this.#hand(new Lease(this.#bridge, content, slot, generation, useCount)))
    return true
  }

  /**
   * Gives a slot back by way of native code.
   * @param {number} slot
   * @param {number} generation
   * @throws {PoolError} ERR_POOL_NOT_HELD
   */
  giveBack(slot, generation) {
    const fault = this.#bridge.outbox.release(this.#native, slot, generation)
    if (fault !== null) throw this.#bridge.error(fault)
    this.comeForThem()
  }

  /** All that native code had to give is in somebody's hand here, so those who wait there can wait here as well. */
  #fetchThoseWhoWait() {
    const waiting = this.#native.sendOutside()
    const now = performance.now()
    for (let at = 0; at < waiting.length; at += 2) {
      const ticket = this.#bridge.outbox.recall(waiting[at])
      this.#arrivals.add({ resolve: (lent) => ticket.serve(lent), since: now - waiting[at + 1] })
    }
  }

  /** There may be something for those who wait here, on the shelf or in native code. */
  comeForThem() {
    this.#arrivals.come()
  }

  /**
   * Gives the first of those who wait here what there is, or has native code do it.
   * @param {import('./arrivals').Arrival} arrival
   * @param {number} waitedMs
   */
  #serve(arrival, waitedMs) {
    const shelf = /** @type {Shelf} */ (this.#shelf)
    const held = shelf.takeFor(waitedMs) ? this.#lendOwn(shelf.slot, shelf.generation) : null
    if (held !== null) arrival.resolve(held)
    else this.#askFor(arrival, waitedMs)
  }

  /**
   * Has native code serve one who waited here, who is told as soon as whoever asked there in the first place.
   * @param {import('./arrivals').Arrival} arrival
   * @param {number} waitedMs
   */
  #askFor({ resolve }, waitedMs) {
    const got = refused(() => this.#ask(NONE, waitedMs, undefined))
    if (got instanceof Ticket) {
      got.settled.then(() => resolve(refused(() => this.#served(got))))
    } else {
      resolve(got)
    }
  }

  /** @param {unknown} options */
  tryAcquire(options) {
    const { endpoint, affinity } = readCallOptions(options, 'tryAcquire', this.#bridge.choices)
    const own = this.#fromShelf()
    if (own !== null) return own
    const answer = this.native.tryAcquire(endpoint, affinity)
    if (typeof answer === 'string') throw this.#bridge.error(answer)
    if (answer === null) return null
    this.#bridge.origins?.granted(answer, this.#bridge.origins.here(this.tryAcquire))
    return this.#lend(answer)
  }

  /** @param {LeaseArray} array */
  #lend(array) {
    const [slot, generation, , , , useCount] = array
    return this.#hand(new Lease(this.#bridge, this.contentOf(array), slot, generation, useCount))
  }

  /** @param {LeaseArray} array */
  contentOf([slot, , connectionId, endpoint, createdAt, , dialect]) {
    const known = this.#contents[slot]
    if (known?.connectionId === connectionId) return known
    const content = { connectionId, endpoint: this.#bridge.endpoints[endpoint], createdAt, dialect }
    this.#contents[slot] = content
    return content
  }

  /** @param {Lease} lease */
  #hand(lease) {
    const held = this.#bridge.lend(lease)
    watch(held, lease)
    return held
  }

  /** @param {Ticket} ticket of an acquire that waits */
  async #heldLater(ticket) {
    await ticket.settled
    return this.#served(ticket)
  }

  /**
   * @param {Ticket} ticket of an acquire, settled
   * @returns {any} what is lent
   */
  #served(ticket) {
    this.#bridge.check(ticket)
    return ticket.lent ?? this.#lend(ticket.payload)
  }
}

module.exports = { Lending }
