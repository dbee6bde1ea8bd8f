// @ts-check
'use strict'
// Who may be in at a time, and for how long the others wait: first come, first served. A place is claimed
// before its next owner is told, so there is never one too many. A limiter would do, but callers of the old pool
// give one object back several times in a row and expect the next waiter to have it each time, at once. It knows
// nothing of what goes on inside.

/** @typedef {{ resolve: () => void, reject: (error: Error) => void, timer: NodeJS.Timeout }} Visitor */

class Turnstile {
  #places
  #waitMs
  #tooLong
  #inside = 0
  /** In the order in which they came. @type {Set<Visitor>} */
  #queue = new Set()
  /** @type {(() => Error) | null} */
  #closed = null

  /**
   * @param {number} places
   * @param {number} waitMs how long somebody waits for one
   * @param {() => Error} tooLong what who has waited so long is told
   */
  constructor(places, waitMs, tooLong) {
    this.#places = places
    this.#waitMs = waitMs
    this.#tooLong = tooLong
  }

  get waiting() {
    return this.#queue.size
  }

  /** @returns {Promise<void> | undefined} in, now or later; a promise that rejects: not in */
  enter() {
    if (this.#closed !== null) return Promise.reject(this.#closed())
    // Where a place is free, nobody waits: leave() passes it on.
    if (this.#inside < this.#places) {
      this.#inside++
      return undefined
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#queue.delete(visitor)
        reject(this.#tooLong())
      }, this.#waitMs)
      const visitor = { resolve, reject, timer }
      this.#queue.add(visitor)
    })
  }

  /** Gives the place to the first who waits. */
  leave() {
    const { value: next } = this.#queue.values().next()
    if (next === undefined) {
      this.#inside--
      return
    }
    this.#queue.delete(next)
    clearTimeout(next.timer)
    next.resolve()
  }

  /** Sends away who waits and who comes; who is in stays. @param {() => Error} why */
  close(why) {
    this.#closed = why
    for (const { reject, timer } of this.#queue) {
      clearTimeout(timer)
      reject(why())
    }
    this.#queue.clear()
  }
}

module.exports = { Turnstile }
