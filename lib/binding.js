// @ts-check
'use strict'
// The native half, and the contract the facade holds it to. Everything the facade knows of Rust is in
// this file; the generated binding.d.ts is checked against it.

/**
 * A lease as it crosses: slot, generation, connection id, endpoint index, opened at (epoch ms), uses,
 * dialect index.
 * @typedef {[number, number, number, number, number, number, number]} LeaseArray
 */

/**
 * What a submitted call answers at once: a number is the request's key (queued or running; `cancel`
 * takes it), a lease was granted on the spot, a string is the fault (JSON) of a refused call, whose
 * ticket is then free again.
 * @typedef {number | LeaseArray | string} Answer
 */

/**
 * @typedef {object} NativeOutbox
 * @property {(numbers: Float64Array, payloads: any[]) => number} drain Writes entries, three numbers each (kind, ticket
 *   or pool, aux) and a payload, as many as `numbers` has room for; how many there were.
 * @property {(on: boolean) => void} hold Whether the outbox keeps the process alive.
 */

/**
 * Where an endpoint is an index, -1 is any; a fault is JSON; a ticket is settled by its one entry.
 *
 * @typedef {object} NativePool
 * @property {(ticket: number, type: string, params: string, timeoutMs: number, endpoint: number, raw: boolean, priority: number, affinity: string | null) => any} execute
 * @property {(ticket: number, timeoutMs: number, endpoint: number, priority: number, affinity: string | null, waitedMs: number, stays: boolean) => any} acquire
 * @property {(clockMs: number) => ArrayBuffer | null} makeShelf The memory that shelf.js works on; null: none here.
 * @property {(slot: number) => any} holdInHand What was taken from the shelf; null: it is lost already.
 * @property {() => number[]} sendOutside Who waits there waits here from now on: the ticket and how many ms it has been
 *   waiting, of each, oldest first. No entries will come for them.
 * @property {(endpoint: number, affinity: string | null) => any} tryAcquire
 * @property {(slot: number, generation: number, ticket: number, type: string, params: string, timeoutMs: number, raw: boolean) => any} executeHeld
 * @property {(slot: number, generation: number) => string | boolean} release A fault, or whether the outbox has news
 *   for which `onReady` will not be called.
 * @property {(slot: number, generation: number, reason: string) => string | null} discard
 * @property {(slot: number, generation: number) => boolean} reclaim The holder is garbage; whether it still held.
 * @property {(slot: number, generation: number, ticket: number) => string | null} recycle A HOOK entry comes once
 *   the connection is out of the pool, and DONE for the ticket once it is back; FAULT when it is lost instead.
 * @property {(slot: number, generation: number, hook: number, error: string | null) => void} hookDone The answer to
 *   a HOOK entry; null: mended, the connection is idle again.
 * @property {(key: number) => string | null} cancel `waiting`: the request had nothing yet; or its `delivered`; no
 *   entry will come for its ticket. Or null: it is settled already, and its one entry is in the outbox.
 * @property {() => string | null} ready A fault, or null.
 * @property {() => string | null} pause
 * @property {(endpoint: number, interruptInUse: boolean) => string | null} clear
 * @property {(min: number, max: number) => string | null} resize -1: as it is.
 * @property {(ticket: number) => any} warm
 * @property {(ticket: number) => void} checkHealth
 * @property {(mask: number) => void} observe Which events to tell: a bit for each of `tables().events`.
 * @property {() => void} begin From now on it may open what it is to keep open.
 * @property {() => string} state
 * @property {() => string} stats
 * @property {() => string} connections
 * @property {() => string} endpoints
 * @property {(ticket: number, timeoutMs: number, force: boolean) => void} close
 *
 * Only of a ResourcePool, each the answer to an ERRAND entry:
 * @property {(id: number, error: string | null) => boolean} made Whether anybody still wants it; if not, it is the
 *   facade's to destroy.
 * @property {(id: number, exchange: number, error: string | null) => void} validated
 * @property {(id: number, error: string | null) => boolean} destroyed Also of what was made too late. False: the pool
 *   is closed, and did not tell of the error.
 * @property {(slot: number, generation: number) => void} doubt It is validated before the next holder gets it.
 *
 * Only of a Limiter:
 * @property {(ticket: number, priority: number, waitedMs: number, stays: boolean) => any} permit An acquire, but that a permit granted on the spot is the
 *   number `-1 - (slot * 2 ** 32 + generation)`.
 * @property {() => void} turnBack What a permit was for will never start; only where there is a rate.
 * @property {(reason: string) => void} turnAway Refuses all who wait.
 * @property {() => string} starts
 */

/**
 * @typedef {object} Binding
 * @property {new (onReady: (kind?: number, number?: number, aux?: number, payload?: any) => void, hasEventLoop: boolean) => NativeOutbox} Outbox `onReady` is
 *   called when there are entries, or with the only one there is; `hasEventLoop`: libuv's functions may be called.
 * @property {new (outbox: any, poolNumber: number, owner: string, optionsJson: string) => NativePool} NativePool
 * @property {() => string} tables
 */

/**
 * The kinds of entry that an outbox holds. REPLY, LEASE, FAULT and DONE settle a ticket; EVENT and HOOK
 * name a pool. The aux of a REPLY is its dialect's index. The payload of a HOOK is a LeaseArray and a list: the hook's
 * number, its kind (onConnect, onRelease, recycle) and the ticket of a recycle or 0. An ERRAND names a pool too: its aux
 * is what to do (create, abandon, validate, destroy), its payload the resource's number and that of the check (abandon:
 * 1 when its time was over). COME names a pool as well: somebody waits in JavaScript, and there may be something for
 * them.
 */
const Entry = /** @type {const} */ ({
  REPLY: 0,
  LEASE: 1,
  FAULT: 2,
  EVENT: 3,
  DONE: 4,
  HOOK: 5,
  ERRAND: 6,
  COME: 7,
})

/** @returns {Binding} */
function load() {
  try {
    return require('../binding.js')
  } catch (cause) {
    const message =
      `blender-pool has no native addon for ${process.platform}-${process.arch} here. ` +
      'In a clone, run "npm install" there (needs Rust); in an installed package, install again without ' +
      '--omit=optional, so that npm may fetch the addon built for this system.'
    throw new Error(message, { cause })
  }
}

const { Outbox, NativePool, tables } = load()

module.exports = { Entry, NativeOutbox: Outbox, NativePool, tables }
