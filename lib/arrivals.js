// @ts-check
'use strict'
// Callers who found nothing idle in this turn of the event loop. As long as everything there may be is in
// somebody's hand here, only somebody here can give one back, so they wait here, in the order in which they came.
// Whoever still waits when the turn is over, or when native code is called for anything else, waits there, with the
// time that has passed already.

const { setImmediate } = require('node:timers')
const { turn } = require('./turn')

/** Those handed over before the event loop has its turn. */
const SLICE = 1_000

/**
 * @typedef {object} Arrival
 * @property {(lent: any) => void} resolve
 * @property {number} since by the clock of the turn
 */

class Arrivals {
  /** @type {Arrival[]} */
  #waiting = []
  /** The first of them. */
  #first = 0
  #hand
  #willFlush = false
  #max

  /**
   * @param {(arrival: Arrival, waitedMs: number) => void} hand gives one what it asks for, or has native code do it
   * @param {number} max how many may wait
   */
  constructor(hand, max) {
    this.#hand = hand
    this.#max = max
  }

  get length() {
    return this.#waiting.length - this.#first
  }

  get isFull() {
    return this.length >= this.#max
  }

  /** @returns {Promise<any>} what is lent */
  wait() {
    const since = turn.at || turn.begin()
    if (!this.#willFlush) {
      this.#willFlush = true
      turn.tell(this)
    }
    return new Promise((resolve) => {
      this.#waiting.push({ resolve, since })
    })
  }

  /** The first leaves. */
  next() {
    const first = this.#waiting[this.#first]
    this.#first++
    if (this.#first === this.#waiting.length) {
      this.#waiting = []
      this.#first = 0
    } else if (this.#first === 4 * SLICE) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    return first
  }

  turnEnded() {
    this.#willFlush = false
    this.#handOver(SLICE)
    if (this.length === 0 || this.#willFlush) return
    this.#willFlush = true
    setImmediate(() => this.turnEnded())
  }

  /** Native code is about to be called: it must know of all who came before. */
  flush() {
    if (this.length > 0) this.#handOver(Infinity)
  }

  /** @param {number} most */
  #handOver(most) {
    if (this.length === 0) return
    const now = performance.now()
    for (let handed = 0; handed < most && this.length > 0; handed++) {
      const arrival = this.next()
      this.#hand(arrival, now - arrival.since)
    }
  }
}

module.exports = { Arrivals }
