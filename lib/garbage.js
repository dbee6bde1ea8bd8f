// @ts-check
'use strict'
// Connections that were forgotten: one that is collected without having been given back gives its slot
// back here. A registry entry costs more than a whole acquire and release, so only what is still held a
// turn of the event loop later gets one; until then the connection stands in a list, which cannot lose it.

const { turn } = require('./turn')

/** @typedef {import('./lease').Lease} Lease */

/** @type {FinalizationRegistry<Lease>} */
const registry = new FinalizationRegistry((lease) => lease.reclaim())

/** Held since this turn, each at its lease's `fresh`. @type {object[]} */
const connections = []
/** @type {Lease[]} */
const leases = []
let willRegister = false
/** The first of them has a place of its own: most programs hold one at a time. @type {object | null} */
let first = null
/** @type {Lease | null} */
let firstLease = null
const REGISTERED = -2
const UNWATCHED = -1
const FIRST = -3

/** The lists, when the turn is over. */
const lists = {
  turnEnded() {
    willRegister = false
    if (first !== null && firstLease !== null) register(first, firstLease)
    first = null
    firstLease = null
    if (leases.length === 0) return
    for (let at = 0; at < leases.length; at++) register(connections[at], leases[at])
    connections.length = 0
    leases.length = 0
  },
}

/**
 * @param {object} connection
 * @param {Lease} lease
 */
function register(connection, lease) {
  registry.register(connection, lease, lease)
  lease.fresh = REGISTERED
}

/**
 * @param {object} connection
 * @param {Lease} lease must not lead to the connection
 */
function watch(connection, lease) {
  if (firstLease === null) {
    first = connection
    firstLease = lease
    lease.fresh = FIRST
  } else {
    lease.fresh = leases.length
    connections.push(connection)
    leases.push(lease)
  }
  if (willRegister) return
  willRegister = true
  turn.tell(lists)
}

/** @param {Lease} lease it was given back */
function unwatch(lease) {
  const at = lease.fresh
  if (at === UNWATCHED) return
  lease.fresh = UNWATCHED
  if (at === FIRST) {
    first = null
    firstLease = null
    return
  }
  if (at === REGISTERED) {
    registry.unregister(lease)
    return
  }
  const connection = /** @type {object} */ (connections.pop())
  const last = /** @type {Lease} */ (leases.pop())
  if (last === lease) return
  connections[at] = connection
  leases[at] = last
  last.fresh = at
}

module.exports = { unwatch, watch }
