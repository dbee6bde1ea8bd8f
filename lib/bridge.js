// @ts-check
'use strict'
// One pool's side of the binding, shared by the pool and what it lends: submits their calls, waits for the
// tickets, and makes the errors. It keeps no state of the pool; slots and queues are native code's.

const { Arrivals } = require('./arrivals')
const { Entry, NativePool } = require('./binding')
const { NONE, readCallOptions } = require('./call-options')
const { watch } = require('./garbage')
const { Herald } = require('./herald')
const { Hooks } = require('./hooks')
const { Lease } = require('./lease')
const { Nesting } = require('./nesting')
const { Origins } = require('./origins')
const { Outbox } = require('./outbox')
const { PoolError } = require('./pool-error')
const { makeShelf } = require('./shelf')
const { errors } = require('./tables')
const { Thrown } = require('./thrown')
const { Ticket } = require('./ticket')
const { turn } = require('./turn')

/** @typedef {import('./binding').LeaseArray} LeaseArray */
/** @typedef {import('./lease').Content} Content */
/** @typedef {import('./resources/errands').Errands} Errands */
/** @typedef {(bridge: Bridge, functions: object, createTimeoutMs: number) => Errands} MakeErrands */
/** @typedef {import('./shelf').Shelf} Shelf */
/** @typedef {import('./pool-error').Delivered} Delivered */
/** @typedef {import('./pool-error').Fault} Fault */

class Bridge {
  #ended = false
  /** The pool's statistics, as JSON, for the errors of one delivery, and its number. */
  #figures = ''
  #toldBy = 0
  #refed = true
  #native
  #shelf
  #arrivals
  /** What each slot holds, as far as it has been lent. @type {(Content | undefined)[]} */
  #contents = []

  /**
   * @param {import('./tables').Owner} owner the class of the pool
   * @param {import('node:events').EventEmitter} emitter
   * @param {ReturnType<typeof import('./options').readOptions>} options
   * @param {(lease: Lease) => any} lend makes what a holder gets
   * @param {MakeErrands | null} makeErrands
   * @throws {PoolError} ERR_POOL_INVALID_OPTION
   */
  constructor(owner, emitter, options, lend, makeErrands) {
    const { values } = options
    this.outbox = Outbox.shared
    this.number = this.outbox.join(this)
    /** @type {string} */
    this.name = values.name ?? `pool-${this.number}`
    this.lend = lend
    /** What it lends, in a sentence. */
    this.lent = owner === 'ConnectionPool' ? 'Connection' : 'Resource'
    try {
      const text = JSON.stringify({ ...values, name: this.name })
      this.#native = new NativePool(this.outbox.native, this.number, owner, text)
    } catch (error) {
      this.outbox.leave(this.number)
      throw constructorError(error)
    }
    /** Idle slots that can be had without calling native code; null in a pool that must call each time. */
    this.#shelf = makeShelf(this.#native, values)
    const { acquireTimeoutMs } = values
    const max = values.maxWaiting ?? Infinity
    this.#arrivals = new Arrivals(this.#shelf, max, acquireTimeoutMs, this.#serve.bind(this))
    /** The endpoints' names; native code names one by its index. @type {readonly string[]} */
    this.endpoints = this.snapshot('endpoints').map(
      (/** @type {{ name: string }} */ { name }) => name,
    )
    /** Those that a call may choose from; null where there is nothing to choose. */
    this.choices = owner === 'ResourcePool' ? null : this.endpoints
    this.herald = new Herald(this, emitter, options)
    this.hooks = new Hooks(this, options.functions, values.hookTimeoutMs)
    this.origins = values.leakThresholdMs > 0 ? new Origins(this.outbox) : null
    this.nesting = values.detectNestedAcquire ? new Nesting(this) : null
    this.thrown = new Thrown()
    /** What native code asks of user code that makes things; null where there is none. */
    this.errands = makeErrands?.(this, options.functions, values.connectTimeoutMs) ?? null
    this.outbox.hold()
  }

  /** Native code's end. It is told of all who came before whatever it is called for. */
  get native() {
    this.#arrivals.flush()
    return this.#native
  }

  /** @param {'stats' | 'connections' | 'endpoints'} what */
  snapshot(what) {
    this.#shelf?.settle()
    return JSON.parse(this.native[what]())
  }

  /**
   * @param {Fault | string} fault in this pool's words
   * @param {string} [figures] the pool's statistics, as JSON; default: those of this moment
   */
  error(fault, figures = this.native.stats()) {
    /** @type {Fault} */
    const told = typeof fault === 'string' ? JSON.parse(fault) : { ...fault }
    if (told.advice === undefined && this.errands !== null) {
      told.advice = errors.get(told.code)?.ofResources
    }
    if (told.cause) told.cause = this.thrown.causeOf(told.cause)
    return new PoolError(told, figures)
  }

  /**
   * @param {unknown} options
   * @returns {Promise<any>} what is lent
   */
  acquire(options) {
    try {
      const call = readCallOptions(options, 'acquire', this.choices)
      if (call.signal?.aborted) return Promise.reject(call.signal.reason)
      const held = this.#fromShelf()
      if (held !== null) return Promise.resolve(held)
      // Whoever is inside the work of a `use` is followed: see nesting.js.
      if (call === NONE && this.#arrivals.mayWait && !this.nesting?.isInside) {
        return new Promise((resolve) => {
          this.#arrivals.add({ resolve, since: turn.at || turn.begin() })
        })
      }
      this.#arrivals.flush()
      const got = this.#ask(call, 0, this.origins?.here(this.acquire))
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
    this.herald.observe()
    const number = this.outbox.nextTicket()
    // Who may turn away, and whose wait is followed, waits there alone.
    const stays = call.signal !== undefined || this.nesting?.isInside === true
    const answer = this.#native.acquire(
      number,
      timeoutMs,
      endpoint,
      priority,
      affinity,
      waitedMs,
      stays,
    )
    if (typeof answer === 'string') throw this.error(answer)
    if (typeof answer === 'object') {
      if (site !== undefined) this.origins?.granted(answer, site)
      return this.#lend(answer)
    }
    const ticket = this.outbox.open(this, number, answer, null, call.signal)
    ticket.site = site
    this.nesting?.waits(ticket)
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
        this.#native.release(slot, generation)
        return null
      }
      content = this.contentOf(array)
    }
    return this.#hand(new Lease(this, content, slot, generation, shelf.useCount(slot)))
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
    this.#arrivals.next().resolve(this.#hand(new Lease(this, content, slot, generation, useCount)))
    return true
  }

  /**
   * Gives a slot back by way of native code.
   * @param {number} slot
   * @param {number} generation
   * @throws {PoolError} ERR_POOL_NOT_HELD
   */
  giveBack(slot, generation) {
    const fault = this.#native.release(slot, generation)
    if (fault !== null) throw this.error(fault)
    this.comeForThem()
  }

  /** All that native code had to give is in somebody's hand here, so those who wait there can wait here as well. */
  #fetchThoseWhoWait() {
    const waiting = this.#native.sendOutside()
    const now = performance.now()
    for (let at = 0; at < waiting.length; at += 2) {
      const ticket = this.outbox.recall(waiting[at])
      this.#arrivals.add({ resolve: (lent) => ticket.serve(lent), since: now - waiting[at + 1] })
    }
    // Native code may have got something to give after it sent them, and seen nobody waiting here.
    this.comeForThem()
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
    const refuse = (/** @type {unknown} */ error) => resolve(Promise.reject(error))
    try {
      const got = this.#ask(NONE, waitedMs, undefined)
      if (!(got instanceof Ticket)) return resolve(got)
      got.settled.then(() => resolve(this.#served(got))).catch(refuse)
    } catch (error) {
      refuse(error)
    }
  }

  /** @param {unknown} options */
  tryAcquire(options) {
    const { endpoint, affinity } = readCallOptions(options, 'tryAcquire', this.choices)
    const own = this.#fromShelf()
    if (own !== null) return own
    const answer = this.native.tryAcquire(endpoint, affinity)
    if (typeof answer === 'string') throw this.error(answer)
    if (answer === null) return null
    this.origins?.granted(answer, this.origins.here(this.tryAcquire))
    return this.#lend(answer)
  }

  /**
   * Runs the work of a `use`.
   * @template T
   * @template H
   * @param {Lease | undefined} lease
   * @param {(held: H) => T} work
   * @param {H} held
   */
  within(lease, work, held) {
    if (this.nesting === null || lease === undefined) return work(held)
    return this.nesting.within(lease, work, held)
  }

  /**
   * A lease has ended, or is about to.
   * @param {Lease} lease
   * @param {number} slot
   * @param {number} generation
   */
  gaveBack(lease, slot, generation) {
    this.nesting?.gaveBack(lease)
    this.origins?.gaveBack(slot, generation)
  }

  ref() {
    if (this.#refed || this.#ended) return
    this.#refed = true
    this.outbox.hold()
  }

  unref() {
    if (!this.#refed) return
    this.#refed = false
    this.outbox.letGo()
  }

  /** The pool is closed: nothing comes any more. */
  end() {
    this.#ended = true
    this.unref()
    this.outbox.leave(this.number)
    this.#arrivals.end()
    this.errands?.end()
  }

  /**
   * A ticket's caller has gone.
   * @param {Ticket} ticket
   */
  cancel(ticket) {
    const answer = this.native.cancel(ticket.key)
    if (answer === null) {
      // It had settled, and the entry that says how is still in the outbox.
      if (ticket.delivery !== null) ticket.delivery.delivered = 'maybe'
      return
    }
    this.outbox.forget(ticket.number)
    const waited = answer === 'waiting'
    this.#tellAborted(ticket, /** @type {Delivered} */ (waited ? 'no' : answer))
    // Of one that had its connection, native code has told how that went.
    if (waited && ticket.checksOut) {
      const durationMs = performance.now() - ticket.startedAt
      const error = ticket.signal?.reason
      this.herald.tell('connectionCheckOutFailed', { reason: 'aborted', durationMs, error })
    }
  }

  /**
   * The entry of a ticket that was aborted just before it came.
   * @param {Ticket} ticket
   * @param {number} kind
   * @param {any} payload
   */
  lateEntry(ticket, kind, payload) {
    if (kind === Entry.LEASE) {
      // For the pool it was checked out and in again: there is no failed check-out to tell of.
      this.native.release(payload[0], payload[1])
    } else {
      const delivered = kind === Entry.REPLY ? 'yes' : JSON.parse(payload).delivered
      this.#tellAborted(ticket, delivered)
    }
  }

  /** @param {LeaseArray} array */
  #lend(array) {
    const [slot, generation, , , , useCount] = array
    return this.#hand(new Lease(this, this.contentOf(array), slot, generation, useCount))
  }

  /** @param {LeaseArray} array */
  contentOf([slot, , connectionId, endpoint, createdAt, , dialect]) {
    const known = this.#contents[slot]
    if (known?.connectionId === connectionId) return known
    const content = { connectionId, endpoint: this.endpoints[endpoint], createdAt, dialect }
    this.#contents[slot] = content
    return content
  }

  /** @param {Lease} lease */
  #hand(lease) {
    const held = this.lend(lease)
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
    this.check(ticket)
    return ticket.lent ?? this.#lend(ticket.payload)
  }

  /**
   * @param {Ticket} ticket of a call, settled
   * @throws what its caller is told, unless it is an answer
   */
  check(ticket) {
    this.nesting?.waited(ticket)
    if (ticket.aborted) throw ticket.signal?.reason
    if (ticket.kind === Entry.FAULT) throw this.error(ticket.payload, this.#figuresOfDelivery())
  }

  /** The statistics at the time of the delivery that goes on now: the same for all who are told by it. */
  #figuresOfDelivery() {
    if (this.#toldBy !== this.outbox.deliveries) {
      this.#toldBy = this.outbox.deliveries
      this.#figures = this.native.stats()
    }
    return this.#figures
  }

  /**
   * @param {Ticket} ticket
   * @param {Delivered} delivered
   */
  #tellAborted(ticket, delivered) {
    if (ticket.delivery !== null) ticket.delivery.delivered = delivered
    if (ticket.type === null || !ticket.signal?.aborted) return
    const { reason } = ticket.signal
    this.herald.tell('commandAborted', { type: ticket.type, delivered, reason })
  }
}

/** @param {unknown} error native code's, its message a fault as JSON */
function constructorError(error) {
  const { message } = /** @type {Error} */ (error)
  try {
    return new PoolError(JSON.parse(message))
  } catch {
    return error
  }
}

module.exports = { Bridge }
