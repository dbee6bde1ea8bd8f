'use strict'

/**
 * Everything that a pool tells, in order, and the order that it must have: a connection is created, made
 * ready, checked out and in again by turns, and closed; a check-out that was started gets a connection
 * or fails, once.
 */

const EVENTS = [
  'poolCreated',
  'poolReady',
  'poolCleared',
  'poolClosed',
  'connectionCreated',
  'connectionReady',
  'connectionClosed',
  'connectionCheckOutStarted',
  'connectionCheckOutFailed',
  'connectionCheckedOut',
  'connectionCheckedIn',
  'healthCheckSucceeded',
  'healthCheckFailed',
  'endpointDown',
  'endpointUp',
  'leakDetected',
  'leakReturned',
  'leaseLost',
  'hookFailed',
  'desync',
  'commandAborted',
  'alert',
]

/** What may come after what, for one connection. */
const FOLLOWS = {
  connectionCreated: ['connectionReady', 'connectionClosed'],
  connectionReady: ['connectionCheckedOut', 'connectionClosed'],
  connectionCheckedOut: ['connectionCheckedIn'],
  connectionCheckedIn: ['connectionCheckedOut', 'connectionClosed'],
  connectionClosed: [],
}

class Chronicle {
  /** `{ event, ...payload }`, in order. */
  entries = []
  #waiters = new Set()

  /**
   * @param {import('../..').ConnectionPool} pool
   * @param {string[]} [events]
   */
  constructor(pool, events = EVENTS) {
    for (const event of events) {
      pool.on(event, (payload) => {
        this.entries.push({ event, ...payload })
        for (const waiter of this.#waiters) waiter()
      })
    }
  }

  /** The payloads of one event. @param {string} name */
  of(name) {
    return this.entries.filter(({ event }) => event === name)
  }

  /** The names alone. @param {(entry: object) => boolean} [fits] */
  names(fits = () => true) {
    return this.entries.filter(fits).map(({ event }) => event)
  }

  /** Resolves when `holds(this)` does, now or after an event. */
  until(holds) {
    if (holds(this)) return Promise.resolve()
    return new Promise((resolve) => {
      const waiter = () => {
        if (!holds(this)) return
        this.#waiters.delete(waiter)
        resolve()
      }
      this.#waiters.add(waiter)
    })
  }

  /** Resolves when an event of that name has come `count` times. */
  async has(name, count = 1) {
    await this.until(() => this.of(name).length >= count)
    return this.of(name)
  }

  /** What is told wrongly, in words; of a pool that is closed, also what was never told. */
  faults() {
    const faults = []
    const last = new Map()
    let pending = 0
    this.entries.forEach(({ event, connectionId: id }, at) => {
      if (event === 'connectionCheckOutStarted') pending++
      if (event === 'connectionCheckOutFailed' || event === 'connectionCheckedOut') pending--
      if (pending < 0) {
        faults.push(`${at}: ${event} without a check-out that was started`)
        pending = 0
      }
      if (!Object.hasOwn(FOLLOWS, event)) return
      const before = last.get(id)
      const allowed = before === undefined ? ['connectionCreated'] : FOLLOWS[before]
      if (!allowed.includes(event)) faults.push(`${at}: ${event} of ${id} after ${before}`)
      last.set(id, event)
    })
    if (this.entries.at(-1)?.event !== 'poolClosed') return faults.slice(0, 10)
    if (pending > 0) faults.push(`${pending} check-outs were never settled`)
    for (const [id, event] of last) {
      if (event !== 'connectionClosed') faults.push(`the last of ${id} is ${event}`)
    }
    return faults.slice(0, 10)
  }
}

module.exports = { Chronicle, EVENTS }
