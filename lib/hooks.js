// @ts-check
'use strict'
// User code that runs while a connection is out of the pool: onConnect, onRelease and the function of a
// recycle. Whatever it does is contained here: native code gets exactly one answer to each hook, and has
// its own clock for those that never give one.

const { clearTimeout, setTimeout } = require('node:timers')
const { Entry } = require('./binding')
const { invalidOption } = require('./invalid-option')
const { HookLease } = require('./lease')
const { show } = require('./warning')

/** @typedef {(held: any) => unknown} HookFunction */
/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {{ failed: boolean, said: string | null, value?: any, error?: any }} Outcome */
/** @typedef {{ work: HookFunction, outcome: Outcome | null }} Recycling */

/** By native code's numbers; the third comes with a ticket, and with the function of that call. */
const KINDS = ['onConnect', 'onRelease']

class Hooks {
  #bridge
  #functions
  #timeoutMs
  /** By the number of its ticket. @type {Map<number, Recycling>} */
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
    /** @type {Recycling} */
    const recycling = { work, outcome: null }
    this.#recycling.set(number, recycling)
    await ticket.settled
    this.#recycling.delete(number)
    const { outcome } = recycling
    if (outcome?.failed) throw outcome.error
    if (ticket.kind === Entry.FAULT) throw this.#bridge.error(ticket.payload)
    return outcome?.value
  }

  /**
   * A HOOK entry. Never rejects.
   * @param {import('./binding').LeaseArray} array
   * @param {[number, number, number]} call its number, its kind, and the ticket of a recycle
   */
  async run(array, [number, kind, ticket]) {
    const recycling = this.#recycling.get(ticket)
    const [slot, generation, , , , useCount] = array
    const content = this.#bridge.lending.contentOf(array)
    const lease = new HookLease(this.#bridge, content, slot, generation, useCount)
    const late = setTimeout(() => {
      lease.held = false
    }, this.#timeoutMs)
    late.unref()
    const work = recycling?.work ?? this.#functions[KINDS[kind]]
    const outcome = await outcomeOf(work, this.#bridge.lend(lease))
    clearTimeout(late)
    lease.held = false
    if (recycling !== undefined) recycling.outcome = outcome
    if (outcome.failed) this.#bridge.thrown.keep('hook', number, outcome.error)
    this.#bridge.native.hookDone(slot, generation, number, outcome.said)
  }
}

/**
 * @param {HookFunction | undefined} work
 * @param {any} held what is lent to it
 * @returns {Promise<Outcome>}
 */
async function outcomeOf(work, held) {
  try {
    if (work === undefined) throw new Error('nobody waits for it any more')
    return { failed: false, said: null, value: await work(held) }
  } catch (error) {
    return { failed: true, said: said(error), error }
  }
}

/** @param {any} thrown anything at all */
function said(thrown) {
  try {
    // Asked once: a getter may say something else the next time.
    const message = thrown?.message
    if (typeof message === 'string') return message
  } catch {
    // Even its message throws.
  }
  return show(thrown)
}

module.exports = { Hooks, said }
