// @ts-check
'use strict'
// Connections that were forgotten: one that is collected without having been given back gives its slot
// back here. A registry entry costs more than a whole acquire and release, so only what is still held a
// turn of the event loop later gets one; until then the connection stands in a list, which cannot lose it.

const { setImmediate } = require('node:timers')

/** @typedef {import('./lease').Lease} Lease */

/** @type {FinalizationRegistry<Lease>} */
const registry = new FinalizationRegistry((lease) => lease.reclaim())

/** Held since this turn, at `lease.fresh`. @type {{ connection: object, lease: Lease }[]} */
const fresh = []
let scheduled = false
const REGISTERED = -2
const UNWATCHED = -1

/**
 * @param {object} connection
 * @param {Lease} lease must not lead to the connection
 */
function watch(connection, lease) {
  lease.fresh = fresh.length
  fresh.push({ connection, lease })
  if (scheduled) return
  scheduled = true
  setImmediate(register)
}

/** @param {Lease} lease it was given back */
function unwatch(lease) {
  const at = lease.fresh
  if (at === UNWATCHED) return
  lease.fresh = UNWATCHED
  if (at === REGISTERED) {
    registry.unregister(lease)
    return
  }
  const last = fresh.pop()
  if (last === undefined || last.lease === lease) return
  fresh[at] = last
  last.lease.fresh = at
}

function register() {
  scheduled = false
  for (const { connection, lease } of fresh) {
    registry.register(connection, lease, lease)
    lease.fresh = REGISTERED
  }
  fresh.length = 0
}

module.exports = { unwatch, watch }
