// @ts-check
'use strict'
// The facade's end of the one queue through which native code answers: finds each entry's ticket or pool,
// and holds the process while a call is pending or an open pool asks for it. There is one to a JavaScript
// environment (main thread, worker thread).

const { setImmediate } = require('node:timers')
const { Entry, NativeOutbox } = require('./binding')
const { Ticket } = require('./ticket')
const { warn } = require('./warning')

/** @typedef {import('./bridge').Bridge} Bridge */

/**
 * What an entry is for.
 * @typedef {{ settle(kind: number, payload: any, aux: any): void }} Settled
 */

/** Entries handled before the event loop has its turn. */
const SLICE = 256
const NUMBERS_PER_ENTRY = 3
/** Others than Node export libuv's functions too, and end the process when one is called. */
const HAS_EVENT_LOOP = !('bun' in process.versions || 'deno' in process.versions)

class Outbox {
  #native
  /** Where native code writes entries: kind, ticket or pool, aux. */
  #numbers = new Float64Array(SLICE * NUMBERS_PER_ENTRY)
  /** Their payloads; none is kept once its entry is handled. @type {any[]} */
  #payloads = new Array(SLICE).fill(undefined)
  /** @type {Map<number, Settled>} */
  #tickets = new Map()
  /** @type {Map<number, Bridge>} */
  #bridges = new Map()
  /** What the facade itself has to tell, after all that native code told before. @type {(() => void)[]} */
  #postponed = []
  #lastTicket = 0
  #lastPool = 0
  #holders = 0
  /** How often entries were handed over: what came by one of these came at one moment. */
  deliveries = 0
  /** @type {Outbox | undefined} */
  static #shared

  /** This environment's outbox, made with its first pool. */
  static get shared() {
    Outbox.#shared ??= new Outbox()
    return Outbox.#shared
  }

  constructor() {
    this.#native = new NativeOutbox(this.#onReady, HAS_EVENT_LOOP)
  }

  /** What a native pool is made with. */
  get native() {
    return this.#native
  }

  /** @param {Bridge} bridge whose events come here @returns {number} the pool's number */
  join(bridge) {
    const pool = this.nextPool()
    this.#bridges.set(pool, bridge)
    return pool
  }

  /** A number for the next pool; of one that does not join, no events come. */
  nextPool() {
    return ++this.#lastPool
  }

  /** @param {number} pool its number; it has no more events */
  leave(pool) {
    this.#bridges.delete(pool)
  }

  /** A number for the next call; a call that is refused wastes it. */
  nextTicket() {
    return ++this.#lastTicket
  }

  /**
   * A call was taken.
   * @param {Bridge} bridge
   * @param {number} number
   * @param {number} key
   * @param {string | null} type
   * @param {AbortSignal | undefined} signal
   */
  open(bridge, number, key, type, signal) {
    const ticket = new Ticket(bridge, number, key, type, signal)
    this.expect(number, ticket)
    return ticket
  }

  /**
   * An entry will come under this number. Who it is for lets go of the process when it has.
   * @param {number} number
   * @param {Settled} settled
   */
  expect(number, settled) {
    this.#tickets.set(number, settled)
    this.hold()
  }

  /**
   * The ticket of an acquire that native code does not wait for any more; no entry will come for it.
   * @param {number} number
   */
  recall(number) {
    const ticket = /** @type {Ticket} */ (this.#tickets.get(number))
    this.#tickets.delete(number)
    return ticket
  }

  /** @param {number} number no entry will come under it */
  forget(number) {
    this.#tickets.delete(number)
  }

  /** One more reason for the process to live. */
  hold() {
    if (this.#holders++ === 0) this.#native.hold(true)
  }

  /** One less. */
  letGo() {
    if (--this.#holders === 0) this.#native.hold(false)
  }

  /**
   * Runs `tell` after everything that native code has said up to now.
   * @param {() => void} tell
   */
  postpone(tell) {
    if (this.#postponed.push(tell) === 1) setImmediate(this.#drain)
  }

  /**
   * Gives a slot back. Whoever waited for it is told before the event loop goes on.
   * @param {import('./binding').NativePool} native
   * @param {number} slot
   * @param {number} generation
   * @returns {string | null} a fault
   */
  release(native, slot, generation) {
    const answer = native.release(slot, generation)
    if (typeof answer === 'string') return answer
    if (answer) queueMicrotask(this.#drain)
    return null
  }

  /**
   * Called by native code when there are entries, or with the only one there is. A throw would end the process: it
   * never throws.
   * @param {number} [kind]
   * @param {number} [number]
   * @param {number} [aux]
   * @param {any} [payload]
   */
  #onReady = (kind, number, aux, payload) => {
    if (kind === undefined) return this.#drain()
    this.deliveries++
    this.#deliver(kind, /** @type {number} */ (number), payload, /** @type {number} */ (aux))
    if (this.#postponed.length > 0) this.#tellPostponed()
  }

  #drain = () => {
    try {
      this.deliveries++
      const numbers = this.#numbers
      const payloads = this.#payloads
      const count = this.#native.drain(numbers, payloads)
      for (let entry = 0, at = 0; entry < count; entry++, at += NUMBERS_PER_ENTRY) {
        const payload = payloads[entry]
        payloads[entry] = undefined
        this.#deliver(numbers[at], numbers[at + 1], payload, numbers[at + 2])
      }
      if (count === SLICE) {
        setImmediate(this.#drain)
      } else {
        this.#tellPostponed()
      }
    } catch (error) {
      complain(error)
    }
  }

  #tellPostponed() {
    try {
      for (const tell of this.#postponed.splice(0)) tell()
    } catch (error) {
      complain(error)
    }
  }

  /**
   * Hands one entry over. One that goes wrong takes no other with it.
   * @param {number} kind
   * @param {number} number
   * @param {any} payload
   * @param {number} aux
   */
  #deliver(kind, number, payload, aux) {
    try {
      if (kind === Entry.EVENT) {
        this.#bridges.get(number)?.herald.event(payload)
        return
      }
      if (kind === Entry.HOOK) {
        this.#bridges.get(number)?.hooks.run(payload[0], payload[1])
        return
      }
      if (kind === Entry.ERRAND) {
        this.#bridges.get(number)?.errands?.run(aux, payload)
        return
      }
      if (kind === Entry.COME) {
        this.#bridges.get(number)?.lending.comeForThem()
        return
      }
      const ticket = this.#tickets.get(number)
      this.#tickets.delete(number)
      ticket?.settle(kind, payload, aux)
    } catch (error) {
      complain(error)
    }
  }
}

/** @param {unknown} error a defect of this package, told without ending the process */
function complain(error) {
  warn('PoolDefectWarning', 'blender-pool met a defect of its own; please report it.', error)
}

module.exports = { Outbox }
