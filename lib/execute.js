// @ts-check
'use strict'
// One command, traced when somebody traces commands.

const { executing } = require('./tracing')

/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('./lease').Lease} Lease */

/**
 * @param {Bridge} bridge
 * @param {Lease | null} lease the connection to use; null: any
 * @param {any} command
 * @param {any} options
 * @param {import('./delivery').Delivery | null} delivery
 * @returns {Promise<any>}
 */
function execute(bridge, lease, command, options, delivery) {
  if (!executing.hasSubscribers) return bridge.execute(lease, command, options, delivery)
  /** @type {Record<string, unknown>} */
  const context = { pool: bridge.name, type: typeof command === 'string' ? command : command?.type }
  const endpoint = lease === null ? options?.endpoint : lease.endpoint
  if (endpoint !== undefined) context.endpoint = endpoint
  if (lease !== null) context.connectionId = lease.connectionId
  return executing.trace(() => bridge.execute(lease, command, options, delivery), context)
}

module.exports = { execute }
