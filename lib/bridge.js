// @ts-check
'use strict'
// One pool's side of the binding, shared by the pool and what it lends: submits their calls, waits for the
// tickets, and makes the errors. It keeps no state of the pool; slots and queues are native code's.

const { Entry, NativePool } = require('./binding')
const { Herald } = require('./herald')
const { Hooks } = require('./hooks')
const { Lending } = require('./lending')
const { Nesting } = require('./nesting')
const { Origins } = require('./origins')
const { Outbox } = require('./outbox')
const { PoolError } = require('./pool-error')
const { errors } = require('./tables')
const { Thrown } = require('./thrown')

/** @typedef {import('./resources/errands').Errands} Errands */
/** @typedef {(bridge: Bridge, functions: object, createTimeoutMs: number) => Errands} MakeErrands */
/** @typedef {import('./pool-error').Delivered} Delivered */
/** @typedef {import('./lease').Lease} Lease */
/** @typedef {import('./pool-error').Fault} Fault */
/** @typedef {import('./ticket').Ticket} Ticket */

class Bridge {
  #ended = false
  /** The pool's statistics, as JSON, for the errors of one delivery, and its number. */
  #figures = ''
  #toldBy = 0
  #refed = true
  #native

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
    this.lending = new Lending(this, this.#native, values)
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
    return this.lending.native
  }

  /** @param {'stats' | 'connections' | 'endpoints'} what */
  snapshot(what) {
    this.lending.settle()
    return JSON.parse(this.#native[what]())
  }

  /**
   * @param {Fault | string} fault in this pool's words
   * @param {string} [figures] the pool's statistics, as JSON; default: those of this moment
   */
  error(fault, figures = this.#native.stats()) {
    /** @type {Fault} */
    const told = typeof fault === 'string' ? JSON.parse(fault) : { ...fault }
    if (told.advice === undefined && this.errands !== null) {
      told.advice = errors.get(told.code)?.ofResources
    }
    if (told.cause) told.cause = this.thrown.causeOf(told.cause)
    return new PoolError(told, figures)
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
    this.lending.end()
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
      this.outbox.release(this.native, payload[0], payload[1])
    } else {
      const delivered = kind === Entry.REPLY ? 'yes' : JSON.parse(payload).delivered
      this.#tellAborted(ticket, delivered)
    }
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
      this.#figures = this.#native.stats()
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
