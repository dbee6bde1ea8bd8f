// @ts-check
'use strict'
// One pool's side of the binding, shared by the pool and its connections: submits their calls, waits for
// the tickets, and makes the errors. It keeps no state of the pool; slots and queues are native code's.

const { Entry, NativePool } = require('./binding')
const { readCallOptions } = require('./call-options')
const { serialise } = require('./command')
const { watch } = require('./garbage')
const { Herald } = require('./herald')
const { Hooks } = require('./hooks')
const { Lease } = require('./lease')
const { Nesting, handOver, handedOver, withinUse } = require('./nesting')
const { Origins } = require('./origins')
const { Outbox } = require('./outbox')
const { PoolError } = require('./pool-error')
const { PooledConnection } = require('./pooled-connection')
const { readReply } = require('./reply')
const { dialects } = require('./tables')

/** @typedef {import('./binding').LeaseArray} LeaseArray */
/** @typedef {import('./call-options').CallOptions} CallOptions */
/** @typedef {import('./delivery').Delivery} Delivery */
/** @typedef {import('./pool-error').Delivered} Delivered */
/** @typedef {import('./origins').Site} Site */
/** @typedef {import('./pool-error').Fault} Fault */
/** @typedef {import('./ticket').Ticket} Ticket */

class Bridge {
  /** @type {Ticket | null} */
  #closing = null
  #closed = false
  #refed = true
  #nesting

  /**
   * @param {import('node:events').EventEmitter} emitter
   * @param {ReturnType<typeof import('./options').readOptions>} options
   * @throws {PoolError} ERR_POOL_INVALID_OPTION
   */
  constructor(emitter, options) {
    const { values } = options
    this.outbox = Outbox.shared
    this.number = this.outbox.join(this)
    /** @type {string} */
    this.name = values.name ?? `pool-${this.number}`
    try {
      const text = JSON.stringify({ ...values, name: this.name })
      this.native = new NativePool(this.outbox.native, this.number, text)
    } catch (error) {
      this.outbox.leave(this.number)
      throw constructorError(error)
    }
    /** The endpoints' names; native code names one by its index. @type {readonly string[]} */
    this.endpoints = this.snapshot('endpoints').map(
      (/** @type {{ name: string }} */ { name }) => name,
    )
    this.herald = new Herald(this, emitter, options)
    this.hooks = new Hooks(this, options.functions, values.hookTimeoutMs)
    this.origins = values.leakThresholdMs > 0 ? new Origins(this.outbox) : null
    this.#nesting = values.detectNestedAcquire ? new Nesting(this) : null
    this.outbox.hold()
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
  execute(lease, command, options, delivery) {
    try {
      const method = lease === null ? 'execute' : 'connection.execute'
      const call = readCallOptions(options, method, this.endpoints)
      if (call.signal?.aborted) {
        if (delivery !== null) delivery.delivered = 'no'
        return Promise.reject(call.signal.reason)
      }
      const { type, params } = serialise(command)
      this.herald.observe()
      const number = this.outbox.nextTicket()
      const answer =
        lease === null
          ? this.#submit(number, type, params, call)
          : lease.submit(number, type, params, call)
      if (typeof answer === 'string') throw this.error(answer)
      const ticket = this.outbox.open(this, number, answer, type, call.signal)
      ticket.delivery = delivery
      ticket.checksOut = lease === null
      const promise = this.#answer(ticket, call, lease)
      ticket.promise = promise
      const nesting = lease === null ? this.#nesting : null
      return nesting?.watch(promise, (holders) => nesting.wait(ticket, holders)) ?? promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * @param {unknown} options
   * @returns {Promise<PooledConnection>}
   */
  acquire(options) {
    try {
      const call = readCallOptions(options, 'acquire', this.endpoints)
      if (call.signal?.aborted) return Promise.reject(call.signal.reason)
      const { timeoutMs, endpoint, priority, affinity } = call
      this.herald.observe()
      const site = this.origins?.here(this.acquire)
      const number = this.outbox.nextTicket()
      const answer = this.native.acquire(number, timeoutMs, endpoint, priority, affinity)
      if (typeof answer === 'string') throw this.error(answer)
      if (typeof answer === 'object') return this.#heldNow(this.#granted(answer, site))
      return this.#heldLater(this.outbox.open(this, number, answer, null, call.signal), site)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** @param {unknown} options */
  tryAcquire(options) {
    const { endpoint, affinity } = readCallOptions(options, 'tryAcquire', this.endpoints)
    const answer = this.native.tryAcquire(endpoint, affinity)
    if (typeof answer === 'string') throw this.error(answer)
    if (answer === null) return null
    return this.#connection(this.#granted(answer, this.origins?.here(this.tryAcquire)))
  }

  /**
   * Runs the work of a `use`.
   * @template T
   * @param {Lease | undefined} lease
   * @param {() => T} work
   */
  within(lease, work) {
    return this.#nesting === null || lease === undefined ? work() : withinUse(lease, work)
  }

  /**
   * A lease has ended, or is about to.
   * @param {Lease} lease
   * @param {number} slot
   * @param {number} generation
   */
  gaveBack(lease, slot, generation) {
    this.#nesting?.gaveBack(lease)
    this.origins?.gaveBack(slot, generation)
  }

  /** @param {string | null} fault what native code said to an order */
  obeyed(fault) {
    if (fault !== null) throw this.error(fault)
  }

  /** @returns {Promise<void>} */
  async warm() {
    const number = this.outbox.nextTicket()
    const answer = this.native.warm(number)
    if (typeof answer === 'string') throw this.error(answer)
    const ticket = this.outbox.open(this, number, answer, null, undefined)
    await ticket.settled
    if (ticket.kind === Entry.FAULT) throw this.error(ticket.payload)
  }

  async checkHealth() {
    const number = this.outbox.nextTicket()
    const ticket = this.outbox.open(this, number, 0, null, undefined)
    this.native.checkHealth(number)
    await ticket.settled
    const report = JSON.parse(ticket.payload)
    for (const connection of report.connections) {
      if (connection.error) connection.error = this.error(connection.error)
    }
    report.stats ??= this.snapshot('stats')
    return report
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
    if (this.withdraw(ticket, ticket.signal?.reason) || ticket.delivery === null) return
    // It had settled, and the entry that says how is still in the outbox.
    ticket.delivery.delivered = 'maybe'
  }

  /**
   * @param {Ticket} ticket no entry shall come for it
   * @param {unknown} reason
   * @returns {boolean} false: one is on its way already
   */
  withdraw(ticket, reason) {
    const answer = this.native.cancel(ticket.key)
    if (answer === null) return false
    this.outbox.forget(ticket)
    const waited = answer === 'waiting'
    this.#tellAborted(ticket, /** @type {Delivered} */ (waited ? 'no' : answer))
    // Of one that had its connection, native code has told how that went.
    if (waited && ticket.checksOut) {
      const durationMs = performance.now() - ticket.startedAt
      this.herald.tell('connectionCheckOutFailed', { reason: 'aborted', durationMs, error: reason })
    }
    return true
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

  /**
   * @param {number} ticket
   * @param {string} type
   * @param {string} params
   * @param {CallOptions} call
   */
  #submit(ticket, type, params, { timeoutMs, endpoint, raw, priority, affinity }) {
    return this.native.execute(ticket, type, params, timeoutMs, endpoint, raw, priority, affinity)
  }

  /**
   * @param {LeaseArray} array
   * @param {Site | undefined} site
   */
  #granted(array, site) {
    const lease = new Lease(this, array)
    this.#nesting?.granted()
    if (site !== undefined) this.origins?.granted(array[0], array[1], site)
    return lease
  }

  /** @param {Lease} lease */
  #connection(lease) {
    const connection = new PooledConnection(lease)
    watch(connection, lease)
    return connection
  }

  /** @param {Lease} lease */
  #heldNow(lease) {
    const connection = this.#connection(lease)
    if (this.#nesting === null) return Promise.resolve(connection)
    return this.#nesting.watch(handedOver(lease, connection), ([outer]) => {
      lease.outer = outer ?? null
    })
  }

  /**
   * @param {Ticket} ticket of an acquire that waits
   * @param {Site | undefined} site
   */
  #heldLater(ticket, site) {
    const promise = this.#held(ticket, site)
    ticket.promise = promise
    const nesting = this.#nesting
    return nesting?.watch(promise, (holders) => nesting.wait(ticket, holders)) ?? promise
  }

  /**
   * @param {Ticket} ticket of an acquire that waits
   * @param {Site | undefined} site
   */
  async #held(ticket, site) {
    await ticket.settled
    this.#check(ticket)
    const lease = this.#granted(ticket.payload, site)
    lease.outer = ticket.outer
    if (this.#nesting !== null) handOver(lease, ticket.promise)
    return this.#connection(lease)
  }

  /**
   * @param {Ticket} ticket of a command
   * @param {CallOptions} call
   * @param {Lease | null} lease
   */
  async #answer(ticket, call, lease) {
    if (lease !== null) lease.running++
    await ticket.settled
    if (lease !== null) lease.running--
    this.#check(ticket)
    const reply = call.raw ? ticket.payload : this.#reply(ticket, call, lease)
    if (lease !== null && this.#nesting !== null) handOver(lease, ticket.promise)
    return reply
  }

  /**
   * @param {Ticket} ticket of a call, settled
   * @throws what its caller is told, unless it is an answer
   */
  #check(ticket) {
    const fault = ticket.kind === Entry.FAULT ? this.#faultOf(ticket) : null
    this.#nesting?.waited(ticket)
    if (ticket.aborted) throw ticket.signal?.reason
    if (fault !== null) throw this.error(fault)
  }

  /** @param {Ticket} ticket @returns {Fault} */
  #faultOf({ payload, holders }) {
    const fault = typeof payload === 'string' ? JSON.parse(payload) : payload
    if (fault.code !== 'ERR_POOL_ACQUIRE_TIMEOUT' || holders.length === 0) return fault
    return this.#nesting?.deadlock(holders, fault.message) ?? fault
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
