// @ts-check
'use strict'
// A submitted command. Its reply is read as soon as it comes, and the caller is told by one promise. Whatever
// else may come is told by an async function: of that an error's stack goes on to the caller's own line.

const { Entry } = require('./binding')
const { readReply } = require('./reply')
const { dialects } = require('./tables')
const { Ticket } = require('./ticket')

/** @typedef {import('./call-options').CallOptions} CallOptions */
/** @typedef {import('./lease').Lease} Lease */
/** @typedef {import('./pool-error').Fault} Fault */

class CommandTicket extends Ticket {
  /**
   * @param {import('./bridge').Bridge} bridge
   * @param {number} number
   * @param {number} key names the request to native code
   * @param {string} type the command's
   * @param {CallOptions} call
   * @param {Lease | null} lease the connection it uses; null: any
   */
  constructor(bridge, number, key, type, call, lease) {
    super(bridge, number, key, type, call.signal)
    this.call = call
    this.lease = lease
    this.checksOut = lease === null
    if (lease !== null) lease.running++
  }

  /** @returns {any} what the caller gets, or a promise that rejects with what it is told */
  outcome() {
    const { lease, call } = this
    const isReply = this.kind === Entry.REPLY && !this.aborted
    // Until the first caller goes on, those that end together are to be seen as they waited.
    const isWaitedFor = this.holders.length > 0 || (lease !== null && lease.waits > 0)
    if (!isReply || isWaitedFor) return this.#told()
    let reply
    try {
      reply = call.raw ? this.payload : this.#read()
    } catch {
      return this.#told()
    }
    if (call.rejectOnError && !reply.success) return this.#told()
    if (lease !== null) lease.running--
    return reply
  }

  #read() {
    return readReply(this.payload, dialects[this.aux])
  }

  async #told() {
    // The caller's promise takes this one up on the next turn of the microtasks: only then does it lead from
    // here to the caller.
    await undefined
    await undefined
    const { bridge, lease, call } = this
    if (lease !== null) {
      lease.running--
      bridge.nesting?.ran(lease)
    }
    bridge.check(this)
    if (call.raw) return this.payload
    /** @type {Partial<Fault>} */
    const at = { delivered: 'yes', endpoint: lease?.endpoint, connectionId: lease?.connectionId }
    let reply
    try {
      reply = this.#read()
    } catch (cause) {
      const message = `The reply to ${this.type} is not JSON.`
      throw bridge.error({ ...at, code: 'ERR_POOL_PROTOCOL', message, cause })
    }
    if (call.rejectOnError && !reply.success) {
      const message = `${this.type} failed in Blender: ${reply.message ?? 'no message'}`
      throw bridge.error({ ...at, code: 'ERR_POOL_COMMAND_FAILED', message, details: { reply } })
    }
    return reply
  }
}

module.exports = { CommandTicket }
