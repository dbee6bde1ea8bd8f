// @ts-check
'use strict'
// Callers who found nothing idle. As long as everything there may be is in somebody's hand here, only somebody here
// has anything to give back, so they wait here, in the order in which they came, and are passed what they wait for
// without a call of native code. It is there that they wait when any of that changes, when it is called for anything
// else, and when they have waited long: it has the clocks, the limits and the errors.

const { clearTimeout, setImmediate, setTimeout } = require('node:timers')
const { turn } = require('./turn')

/**
 * Whoever has waited for so long waits for something slow; then it does not matter where. Who has not much more time
 * than that waits here for the rest of the turn only.
 */
const LONG_MS = 50
/** So many who have gone are not worth the closing up of the line. */
const FEW = 256
/** Those handed over before the event loop has its turn. */
const MANY = 1_000

/**
 * @typedef {object} Arrival
 * @property {(lent: any) => void} resolve
 * @property {number} since by the clock of the turn
 */

/** @template {{ since: number }} [A=Arrival] */
class Arrivals {
  /** Those before the first have gone. @type {any[]} */
  #waiting = []
  /** The first of them. */
  #first = 0
  #shelf
  #max
  #serve
  #isHasty
  #willLook = false
  /** They are being handed over, some each turn; whoever comes now comes after them. */
  #isLeaving = false
  /** @type {NodeJS.Timeout | undefined} */
  #timer = undefined

  /**
   * @param {import('./shelf').Shelf | null} shelf null: nobody waits here
   * @param {number} max how many may wait
   * @param {number} timeoutMs for how long they may wait, here and in native code
   * @param {(arrival: A, waitedMs: number) => void} serve gives one what it asks for, or has native code do it
   */
  constructor(shelf, max, timeoutMs, serve) {
    this.#shelf = shelf
    this.#max = max
    this.#serve = serve
    this.#isHasty = timeoutMs < 4 * LONG_MS
  }

  get length() {
    return this.#waiting.length - this.#first
  }

  /** Whether one more may wait here. */
  get mayWait() {
    return (this.#isLeaving || this.#shelf?.isFull) && this.length < this.#max
  }

  /** @param {A} arrival */
  add(arrival) {
    this.#waiting.push(arrival)
    this.#shelf?.waiting(this.length)
    if (!this.#willLook) {
      this.#willLook = true
      turn.tell(this)
    }
    // Native code may have got something to give in this very moment.
    this.come()
  }

  /** When the first began to wait, by the clock of the turn. */
  get since() {
    return this.#waiting[this.#first].since
  }

  /** The first leaves. @returns {A} */
  next() {
    const first = this.#waiting[this.#first]
    // Kept any longer, it would outlive the next collections with all that it leads to.
    this.#waiting[this.#first++] = undefined
    if (this.#first === this.#waiting.length) {
      this.#waiting = []
      this.#first = 0
    } else if (this.#first >= FEW && 2 * this.#first >= this.#waiting.length) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    this.#shelf?.waiting(this.length)
    return first
  }

  /** Native code is about to be called, or has called: it must know of all who came before. */
  flush() {
    if (this.length > 0) this.#handOver(Infinity, 0)
  }

  /** There may be something for them, on the shelf or in native code. */
  come() {
    if (this.#isLeaving || this.#shelf?.isFull) return
    if (this.length > MANY) this.#leave(0)
    else this.flush()
  }

  turnEnded() {
    this.#willLook = false
    if (this.#isHasty && this.length > 0) this.#leave(0)
    if (this.#isLeaving) return
    if (this.length > 0) {
      // It keeps the process alive, as a call does that native code has.
      this.#timer ??= setTimeout(() => this.#lookForLong(), LONG_MS)
      this.#timer.ref()
    } else {
      this.#timer?.unref()
    }
  }

  /** The pool is closed. */
  end() {
    clearTimeout(this.#timer)
  }

  /**
   * They go, so many a turn: the event loop has other things to do.
   * @param {number} longMs only those who have waited for so long
   */
  #leave(longMs) {
    const before = this.length
    this.#handOver(MANY, longMs)
    this.#isLeaving = this.length > 0 && before - this.length >= MANY
    if (this.#isLeaving) {
      setImmediate(() => this.#leave(longMs))
    } else if (this.length > 0) {
      this.turnEnded()
      // Native code may have called while they went.
      this.come()
    }
  }

  #lookForLong() {
    this.#timer = undefined
    if (this.length > 0) this.#leave(LONG_MS)
  }

  /**
   * @param {number} most
   * @param {number} longMs only those who have waited for so long
   */
  #handOver(most, longMs) {
    const now = performance.now()
    for (let handed = 0; handed < most && this.length > 0; handed++) {
      const waitedMs = now - this.#waiting[this.#first].since
      if (waitedMs < longMs) return
      this.#serve(this.next(), waitedMs)
    }
  }
}

module.exports = { Arrivals }
