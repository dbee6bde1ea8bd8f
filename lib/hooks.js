// @ts-check
'use strict'
// User code that runs while a connection is out of the pool: onConnect, onRelease and the function of a
// recycle. Whatever it does is contained here: native code gets exactly one answer to each hook, and has
// its own clock for those that never give one.

const { setTimeout } = require('node:timers')
const { Entry } = require('./binding')
const { invalidOption } = require('./invalid-option')
const { HookLease } = require('./lease')
const { PooledConnection } = require('./pooled-connection')
const { show } = require('./warning')

/** @typedef {(connection: PooledConnection) => unknown} HookFunction */
/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('./ticket').Ticket} Ticket */

/** In the order of native code's numbers for them; the third comes with its ticket. */
const KINDS = ['onConnect', 'onRelease']

class Hooks {
  #bridge
  #functions
  #timeoutMs
  /** By the number of its ticket. @type {Map<number, { work: HookFunction, ticket: Ticket }>} */
  #recycling = new Map()

  /**
   * @param {Bridge} bridge
   * @param {Record<string, HookFunction>} functions
   * @param {number} timeoutMs
   */
  constructor(bridge, functions, timeoutMs) {
    this.#bridge = bridge
    this.#functions = functions
    this.#timeoutMs = timeoutMs
  }

  /**
   * Takes a held connection through `work`.
   * @param {import('./lease').Lease} lease
   * @param {HookFunction} work
   * @returns {Promise<any>} what `work` gives, when the connection is idle again
   */
  async recycle(lease, work) {
    if (typeof work !== 'function') throw invalidOption('work', work, 'a function')
    const { outbox } = this.#bridge
    const number = outbox.nextTicket()
    lease.recycle(number)
    const ticket = outbox.open(this.#bridge, number, 0, null, undefined)
    this.#recycling.set(number, { work, ticket })
    await ticket.settled
    this.#recycling.delete(number)
    if (ticket.kind === Entry.FAULT) throw this.#bridge.error(ticket.payload)
    const { value, error, failed } = ticket.payload
    if (failed) throw error
    return value
  }

  /**
   * A HOOK entry. Never rejects.
   * @param {import('./binding').LeaseArray} array
   * @param {[number, number, number]} call its number, its kind, and the ticket of a recycle
   */
  async run(array, [number, kind, ticketNumber]) {
    const recycled = this.#recycling.get(ticketNumber)
    const work = recycled === undefined ? this.#functions[KINDS[kind]] : recycled.work
    const lease = new HookLease(this.#bridge, array)
    const late = setTimeout(() => {
      lease.held = false
    }, this.#timeoutMs)
    late.unref()
    const outcome = await outcomeOf(work, new PooledConnection(lease))
    clearTimeout(late)
    lease.held = false
    const [slot, generation] = array
    this.#bridge.native.hookDone(slot, generation, number, outcome.failed ? outcome.said : null)
    if (recycled?.ticket.kind === -1) {
      this.#bridge.outbox.forget(recycled.ticket)
      recycled.ticket.settle(Entry.DONE, outcome, undefined)
    }
  }
}

/**
 * @param {HookFunction | undefined} work
 * @param {PooledConnection} connection
 */
async function outcomeOf(work, connection) {
  try {
    if (work === undefined) throw new Error('nobody waits for this connection any more')
    return { failed: false, value: await work(connection) }
  } catch (error) {
    return { failed: true, error, said: said(error) }
  }
}

/** @param {any} thrown anything at all */
function said(thrown) {
  try {
    if (typeof thrown?.message === 'string') return thrown.message
  } catch {
    // Even its message throws.
  }
  return show(thrown)
}

module.exports = { Hooks }
