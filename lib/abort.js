// @ts-check
'use strict'
// Many tickets on one AbortSignal, through one listener: adding the ten-thousandth costs no more than the
// first (an EventTarget walks its list each time), Node warns of no leak, and the last ticket to settle
// takes the listener away.

/** @typedef {{ abort(): void }} Abortable */

/** @type {WeakMap<AbortSignal, Watch>} */
const watches = new WeakMap()

class Watch {
  /** @type {Set<Abortable>} */
  tickets = new Set()

  /** The signal's listener. A ticket takes itself out of the set as it is aborted. */
  handleEvent() {
    for (const ticket of this.tickets) ticket.abort()
  }
}

/**
 * Calls `ticket.abort()` when the signal aborts.
 * @param {AbortSignal} signal not aborted yet
 * @param {Abortable} ticket
 */
function watch(signal, ticket) {
  let found = watches.get(signal)
  if (found === undefined) {
    found = new Watch()
    watches.set(signal, found)
    signal.addEventListener('abort', found)
  }
  found.tickets.add(ticket)
}

/**
 * @param {AbortSignal} signal
 * @param {Abortable} ticket
 */
function unwatch(signal, ticket) {
  const found = watches.get(signal)
  if (found === undefined || !found.tickets.delete(ticket) || found.tickets.size > 0) return
  watches.delete(signal)
  signal.removeEventListener('abort', found)
}

module.exports = { watch, unwatch }
