// @ts-check
'use strict'
// The deadlock that a pool's users make among themselves: every connection is held, and the work of each
// holder waits for one more of the same pool. It is told of, and the calls that it starves get an error
// that says so. Nothing here refuses a call that could still be served.
//
// 1. `use` alone says what belongs to a holder: its work runs in a context that names the lease. A plain
//    `acquire` has no end that a context could have, and is not followed.
// 2. A call made in such a context that has to wait counts as a wait of each lease around it.
// 3. A circle: whatever is in use is held by a lease that waits and runs no command, and nothing more may
//    be opened. As long as it stands, none of those calls can be served.
// 4. A call that is not awaited looks the same, and its holder may yet give its connection back. So a
//    circle is told as an alert, and only a call whose time runs out in one is told that it is a deadlock.

const { AsyncLocalStorage } = require('node:async_hooks')
const { setImmediate } = require('node:timers')

/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('./lease').Lease} Lease */
/** @typedef {import('./pool-error').Fault} Fault */
/** @typedef {import('./ticket').Ticket} Ticket */

/** Of all pools, for their uses can be nested in each other. @type {AsyncLocalStorage<Lease>} */
const works = new AsyncLocalStorage()

class Nesting {
  #bridge
  /** The leases of this pool that wait for one more. @type {Set<Lease>} */
  #waiting = new Set()
  /** Whether those that wait now have been told of. */
  #isTold = false
  #willLook = false

  /** @param {Bridge} bridge */
  constructor(bridge) {
    this.#bridge = bridge
  }

  /**
   * Runs the work of a `use`.
   * @template T
   * @template U
   * @param {Lease} lease
   * @param {(connection: T) => U} work
   * @param {T} connection
   */
  within(lease, work, connection) {
    lease.outer = works.getStore() ?? null
    return works.run(lease, work, connection)
  }

  /** Whether the one who calls now is the work of a `use`, of whatever pool. */
  get isInside() {
    return works.getStore() !== undefined
  }

  /** @param {Ticket} ticket of a call for a connection; it has to wait */
  waits(ticket) {
    const innermost = works.getStore()
    if (innermost === undefined) return
    const holders = []
    for (let lease = /** @type {Lease | null} */ (innermost); lease !== null; lease = lease.outer) {
      // One that was given back has nothing around it any more: the walk ends there.
      if (lease.held && lease.bridge === this.#bridge) holders.push(lease)
    }
    if (holders.length === 0) return
    for (const lease of holders) {
      lease.waits++
      this.#waiting.add(lease)
    }
    ticket.holders = holders
    this.#lookSoon()
  }

  /** @param {Ticket} ticket it is settled, and its caller goes on */
  waited({ holders }) {
    for (const lease of holders) {
      if (--lease.waits === 0) this.#leaves(lease)
    }
  }

  /** @param {Lease} lease a command of its own has ended */
  ran(lease) {
    if (lease.waits > 0 && lease.running === 0) this.#lookSoon()
  }

  /** @param {Lease} lease */
  gaveBack(lease) {
    // Contexts live on in timers and sockets; a chain of leases behind them would grow for ever.
    lease.outer = null
    if (lease.waits > 0) this.#leaves(lease)
  }

  /**
   * What a call is told that its holders have waited for in vain.
   * @param {string} json native code's fault
   * @returns {Fault}
   */
  faultOf(json) {
    /** @type {Fault} */
    const fault = JSON.parse(json)
    if (fault.code !== 'ERR_POOL_ACQUIRE_TIMEOUT') return fault
    const circle = this.#circle()
    if (circle === null) return fault
    this.#tell(circle)
    const { endpoint, cause, details } = fault
    const message = `${fault.message}; ${this.#inWords(circle.held)}`
    return { code: 'ERR_POOL_DEADLOCK', message, delivered: 'no', endpoint, cause, details }
  }

  /** @param {Lease} lease it waits no more */
  #leaves(lease) {
    if (this.#waiting.delete(lease)) this.#isTold = false
  }

  /** On the next turn: until then the holder may have done something else. */
  #lookSoon() {
    if (this.#willLook) return
    this.#willLook = true
    setImmediate(() => {
      this.#willLook = false
      const circle = this.#circle()
      if (circle !== null) this.#tell(circle)
    })
  }

  /** How many connections are held in a circle, of how many there may be; null while there is none. */
  #circle() {
    const waiting = new Set()
    for (const lease of this.#waiting) {
      // Its work may wait for this command, and not for the other call.
      if (lease.running > 0) return null
      waiting.add(lease.connectionId)
    }
    if (waiting.size === 0) return null
    // By their numbers: a lease whose connection was cut keeps nobody from one.
    const inUse = this.#bridge
      .snapshot('connections')
      .filter((/** @type {{ state: string }} */ { state }) => state === 'inUse')
    if (!inUse.every((/** @type {{ id: number }} */ { id }) => waiting.has(id))) return null
    const { max } = this.#bridge.snapshot('stats')
    return inUse.length < max ? null : { held: inUse.length, max }
  }

  /** @param {{ held: number, max: number }} circle told once, for as long as the same ones wait */
  #tell({ held, max }) {
    if (this.#isTold) return
    this.#isTold = true
    const lent = this.#bridge.lent.toLowerCase()
    const message =
      `Nobody gets a ${lent}: ${this.#inWords(held)}. Use the ${lent} that use() gives instead of ` +
      'asking for another, release it first, or raise maxConnections.'
    const figures = { metric: 'nestedAcquire', value: held, threshold: max }
    this.#bridge.herald.tell('alert', { severity: 'critical', ...figures, message })
  }

  /** @param {number} held */
  #inWords(held) {
    const lent = this.#bridge.lent.toLowerCase()
    return held === 1
      ? `the only ${lent} is held, and its holder waits for one more of the same pool`
      : `all ${held} ${lent}s are held, and each holder waits for one more of the same pool`
  }
}

module.exports = { Nesting }
