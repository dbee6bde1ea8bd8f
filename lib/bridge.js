// @ts-check
'use strict'
// One pool's side of the binding, shared by the pool and its connections: submits their calls, waits for
// the tickets, and makes the errors. It keeps no state of the pool; slots and queues are native code's.

const { setImmediate } = require('node:timers')
const { Entry, NativePool } = require('./binding')
const { readCallOptions } = require('./call-options')
const { serialise } = require('./command')
const { deliver } = require('./events')
const { Lease } = require('./lease')
const { Outbox } = require('./outbox')
const { PoolError } = require('./pool-error')
const { readReply } = require('./reply')
const { dialects } = require('./tables')

/** @typedef {import('./call-options').CallOptions} CallOptions */
/** @typedef {import('./delivery').Delivery} Delivery */
/** @typedef {import('./pool-error').Fault} Fault */
/** @typedef {import('./ticket').Ticket} Ticket */

class Bridge {
  #emitter
  /** The first event's payload, until it is told. @type {object | null} */
  #created
  /** @type {Ticket | null} */
  #closing = null
  #closed = false
  #refed = true

  /**
   * @param {import('node:events').EventEmitter} emitter
   * @param {ReturnType<typeof import('./options').readOptions>} options
   * @throws {PoolError} ERR_POOL_INVALID_OPTION
   */
  constructor(emitter, { values, changed }) {
    this.#emitter = emitter
    this.outbox = Outbox.shared
    this.number = this.outbox.join(this)
    /** @type {string} */
    this.name = values.name ?? `pool-${this.number}`
    const options = JSON.stringify({ ...values, name: this.name })
    try {
      this.native = new NativePool(this.outbox.native, this.number, options)
    } catch (error) {
      this.outbox.leave(this.number)
      throw constructorError(error)
    }
    /** The endpoints' names; native code names one by its index. @type {readonly string[]} */
    this.endpoints = this.snapshot('endpoints').map(
      (/** @type {{ name: string }} */ { name }) => name,
    )
    this.outbox.hold()
    this.#created = { options: changed }
    setImmediate(() => this.#announce())
  }

  /** @param {'stats' | 'connections' | 'endpoints'} what */
  snapshot(what) {
    return JSON.parse(this.native[what]())
  }

  /** @param {Fault | string} fault with this pool's figures of this moment */
  error(fault) {
    return new PoolError(typeof fault === 'string' ? JSON.parse(fault) : fault, this.native.stats())
  }

  /**
   * @param {Lease | null} lease the connection to use; null: any
   * @param {unknown} command
   * @param {unknown} options
   * @param {Delivery | null} delivery
   * @returns {Promise<any>}
   */
  async execute(lease, command, options, delivery) {
    const method = lease === null ? 'execute' : 'connection.execute'
    const call = readCallOptions(options, method, this.endpoints)
    if (call.signal?.aborted) {
      if (delivery !== null) delivery.delivered = 'no'
      throw call.signal.reason
    }
    const { type, params } = serialise(command)
    const number = this.outbox.nextTicket()
    const answer =
      lease === null
        ? this.native.execute(number, type, params, call.timeoutMs, call.endpoint, call.raw, 0, null)
        : lease.submit(number, type, params, call)
    if (typeof answer === 'string') throw this.error(answer)
    const ticket = this.outbox.open(this, number, answer, type, call.signal)
    ticket.delivery = delivery
    await ticket.settled
    if (ticket.aborted) throw call.signal?.reason
    if (ticket.kind === Entry.FAULT) throw this.error(ticket.payload)
    return call.raw ? ticket.payload : this.#reply(ticket, call, lease)
  }

  /**
   * @param {unknown} options
   * @returns {Promise<Lease>}
   */
  async acquire(options) {
    const call = readCallOptions(options, 'acquire', this.endpoints)
    if (call.signal?.aborted) throw call.signal.reason
    const number = this.outbox.nextTicket()
    const answer = this.native.acquire(number, call.timeoutMs, call.endpoint, 0, null)
    if (typeof answer === 'object') return new Lease(this, answer)
    if (typeof answer === 'string') throw this.error(answer)
    const ticket = this.outbox.open(this, number, answer, null, call.signal)
    await ticket.settled
    if (ticket.aborted) throw call.signal?.reason
    if (ticket.kind === Entry.FAULT) throw this.error(ticket.payload)
    return new Lease(this, ticket.payload)
  }

  /** @param {unknown} options */
  tryAcquire(options) {
    const { endpoint } = readCallOptions(options, 'tryAcquire', this.endpoints)
    const answer = this.native.tryAcquire(endpoint, null)
    if (typeof answer === 'string') throw this.error(answer)
    return answer === null ? null : new Lease(this, answer)
  }

  /**
   * @param {number} timeoutMs
   * @param {boolean} force
   */
  async close(timeoutMs, force) {
    const number = this.outbox.nextTicket()
    const ticket = this.outbox.open(this, number, 0, null, undefined)
    this.#closing = ticket
    this.native.close(number, timeoutMs, force)
    await ticket.settled
    this.#closed = true
    this.unref()
    this.outbox.leave(this.number)
    return JSON.parse(ticket.payload)
  }

  /** Cuts short a close that is under way. */
  forceClose() {
    if (this.#closing !== null && !this.#closed) this.native.close(this.#closing.number, 0, true)
  }

  ref() {
    if (this.#refed || this.#closed) return
    this.#refed = true
    this.outbox.hold()
  }

  unref() {
    if (!this.#refed) return
    this.#refed = false
    this.outbox.letGo()
  }

  /**
   * A ticket's caller has gone.
   * @param {Ticket} ticket
   */
  cancel(ticket) {
    const delivered = this.native.cancel(ticket.key)
    if (delivered !== null) {
      this.outbox.forget(ticket)
      this.#tellAborted(ticket, /** @type {'no' | 'maybe' | 'yes'} */ (delivered))
    } else if (ticket.delivery !== null) {
      // It had settled, and the entry that says how is still in the outbox.
      ticket.delivery.delivered = 'maybe'
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
      this.#tellAborted(ticket, kind === Entry.REPLY ? 'yes' : JSON.parse(payload).delivered)
    }
  }

  /** @param {string} json `{ event, ...payload }` */
  event(json) {
    this.#announce()
    const { event, ...payload } = JSON.parse(json)
    if (payload.error) payload.error = this.error(payload.error)
    deliver(this.#emitter, event, payload)
  }

  /**
   * @param {Ticket} ticket
   * @param {import('./pool-error').Delivered} delivered
   */
  #tellAborted(ticket, delivered) {
    if (ticket.delivery !== null) ticket.delivery.delivered = delivered
    const reason = ticket.signal?.reason
    if (ticket.type !== null) {
      this.#tell('commandAborted', { type: ticket.type, delivered, reason })
    } else {
      const durationMs = performance.now() - ticket.startedAt
      this.#tell('connectionCheckOutFailed', { reason: 'aborted', durationMs, error: reason })
    }
  }

  /**
   * Tells of something that the facade knows first.
   * @param {string} event
   * @param {object} payload
   */
  #tell(event, payload) {
    if (this.#emitter.listenerCount(event) === 0) return
    this.outbox.postpone(() => {
      this.#announce()
      deliver(this.#emitter, event, payload)
    })
  }

  /** The pool's first event, on the turn after its constructor or before whatever comes sooner. */
  #announce() {
    if (this.#created === null) return
    const payload = this.#created
    this.#created = null
    deliver(this.#emitter, 'poolCreated', payload)
    this.native.begin()
  }

  /**
   * @param {Ticket} ticket
   * @param {CallOptions} call
   * @param {Lease | null} lease
   */
  #reply(ticket, call, lease) {
    /** @type {Partial<Fault>} */
    const at = { delivered: 'yes', endpoint: lease?.endpoint, connectionId: lease?.connectionId }
    let reply
    try {
      reply = readReply(ticket.payload, dialects[ticket.aux])
    } catch (cause) {
      const message = `The reply to ${ticket.type} is not JSON.`
      throw this.error({ ...at, code: 'ERR_POOL_PROTOCOL', message, cause })
    }
    if (call.rejectOnError && !reply.success) {
      const message = `${ticket.type} failed in Blender: ${reply.message ?? 'no message'}`
      throw this.error({ ...at, code: 'ERR_POOL_COMMAND_FAILED', message, details: { reply } })
    }
    return reply
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
