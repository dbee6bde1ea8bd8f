// @ts-check
'use strict'
// What a pool is ordered to do as a whole. An order is obeyed at once or refused; what takes its time is
// settled by a ticket.

const { Entry } = require('./binding')
const { readClearOptions, readCloseOptions, readSize } = require('./order-options')

/** @typedef {import('./ticket').Ticket} Ticket */

class Orders {
  #bridge
  /** @type {Ticket | null} */
  #closing = null
  /** @type {Promise<any> | null} */
  #closed = null

  /** @param {import('./bridge').Bridge} bridge */
  constructor(bridge) {
    this.#bridge = bridge
  }

  ready() {
    this.#obeyed(this.#bridge.native.ready())
  }

  pause() {
    this.#obeyed(this.#bridge.native.pause())
  }

  /** @param {unknown} options */
  clear(options) {
    const { endpoint, interruptInUse } = readClearOptions(options, this.#bridge.choices)
    this.#obeyed(this.#bridge.native.clear(endpoint, interruptInUse))
  }

  /** @param {unknown} size */
  resize(size) {
    const { min, max } = readSize(size)
    this.#obeyed(this.#bridge.native.resize(min, max))
  }

  /** @returns {Promise<void>} */
  async warm() {
    this.#bridge.herald.observe()
    const number = this.#bridge.outbox.nextTicket()
    const answer = this.#bridge.native.warm(number)
    if (typeof answer === 'string') throw this.#bridge.error(answer)
    const ticket = this.#open(number, answer)
    await ticket.settled
    if (ticket.kind === Entry.FAULT) throw this.#bridge.error(ticket.payload)
  }

  async checkHealth() {
    const ticket = this.#open(this.#bridge.outbox.nextTicket())
    this.#bridge.native.checkHealth(ticket.number)
    await ticket.settled
    const report = JSON.parse(ticket.payload)
    for (const connection of report.connections) {
      if (connection.error) connection.error = this.#bridge.error(connection.error)
    }
    report.stats ??= this.#bridge.snapshot('stats')
    return report
  }

  /**
   * @param {unknown} options
   * @returns {Promise<any>} one for all who ask
   */
  close(options) {
    try {
      const { timeoutMs, force } = readCloseOptions(options)
      if (this.#closed === null) {
        this.#closed = this.#close(timeoutMs, force)
      } else if (force && this.#closing !== null) {
        // Cuts short the close that is under way.
        this.#bridge.native.close(this.#closing.number, 0, true)
      }
      return this.#closed
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * @param {number} timeoutMs
   * @param {boolean} force
   */
  async #close(timeoutMs, force) {
    const ticket = this.#open(this.#bridge.outbox.nextTicket())
    this.#closing = ticket
    this.#bridge.native.close(ticket.number, timeoutMs, force)
    await ticket.settled
    this.#closing = null
    this.#bridge.end()
    return JSON.parse(ticket.payload)
  }

  /**
   * @param {number} number
   * @param {number} [key]
   */
  #open(number, key = 0) {
    return this.#bridge.outbox.open(this.#bridge, number, key, null, undefined)
  }

  /** @param {string | null} fault */
  #obeyed(fault) {
    if (fault !== null) throw this.#bridge.error(fault)
  }
}

module.exports = { Orders }
