// @ts-check
'use strict'
// One command, from the call to its reply; traced when somebody traces commands.

const { readCallOptions } = require('./call-options')
const { serialise } = require('./command')
const { CommandTicket } = require('./command-ticket')
const { executing } = require('./tracing')

/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('./call-options').CallOptions} CallOptions */
/** @typedef {import('./delivery').Delivery} Delivery */
/** @typedef {import('./lease').Lease} Lease */

/**
 * @param {Bridge} bridge
 * @param {Lease | null} lease the connection to use; null: any
 * @param {any} command
 * @param {any} options
 * @param {Delivery | null} delivery
 * @returns {Promise<any>}
 */
function execute(bridge, lease, command, options, delivery) {
  if (!executing.hasSubscribers) return send(bridge, lease, command, options, delivery)
  /** @type {Record<string, unknown>} */
  const context = { pool: bridge.name, type: typeof command === 'string' ? command : command?.type }
  const endpoint = lease === null ? options?.endpoint : lease.endpoint
  if (endpoint !== undefined) context.endpoint = endpoint
  if (lease !== null) context.connectionId = lease.connectionId
  return executing.trace(() => send(bridge, lease, command, options, delivery), context)
}

/**
 * @param {Bridge} bridge
 * @param {Lease | null} lease
 * @param {unknown} command
 * @param {unknown} options
 * @param {Delivery | null} delivery
 * @returns {Promise<any>}
 */
function send(bridge, lease, command, options, delivery) {
  try {
    const method = lease === null ? 'execute' : 'connection.execute'
    const call = readCallOptions(options, method, bridge.endpoints)
    if (call.signal?.aborted) {
      if (delivery !== null) delivery.delivered = 'no'
      return Promise.reject(call.signal.reason)
    }
    const { type, params } = serialise(command)
    bridge.herald.observe()
    const number = bridge.outbox.nextTicket()
    const answer =
      lease === null
        ? submit(bridge, number, type, params, call)
        : lease.submit(number, type, params, call)
    if (typeof answer === 'string') throw bridge.error(answer)
    const ticket = new CommandTicket(bridge, number, answer, type, call, lease)
    ticket.delivery = delivery
    bridge.outbox.expect(number, ticket)
    if (lease === null) bridge.nesting?.waits(ticket)
    return ticket.settled
  } catch (error) {
    return Promise.reject(error)
  }
}

/**
 * @param {Bridge} bridge
 * @param {number} ticket
 * @param {string} type
 * @param {string} params
 * @param {CallOptions} call
 */
function submit({ native }, ticket, type, params, call) {
  const { timeoutMs, endpoint, raw, priority, affinity } = call
  return native.execute(ticket, type, params, timeoutMs, endpoint, raw, priority, affinity)
}

module.exports = { execute }
