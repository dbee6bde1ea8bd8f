// @ts-check
'use strict'
// The wait for one run, of everybody who waits for it: each gives up when the pool has had no place for too
// long, and nobody does once the run is at work.

class Wait {
  /** Whether the run has begun. */
  isOver = false
  /** What the run threw, if it did. @type {{ error: unknown } | null} */
  thrown = null
  /** The callers that have not given up. @type {Set<Patience>} */
  callers = new Set()

  /** @param {Patience} caller */
  begin(caller) {
    this.callers.add(caller)
    if (this.isOver) caller.end()
  }

  /**
   * Runs what was waited for.
   * @template T
   * @param {() => T | Promise<T>} fn
   */
  async end(fn) {
    this.isOver = true
    for (const caller of this.callers) caller.end()
    try {
      return await fn()
    } catch (error) {
      this.thrown = { error }
      throw error
    }
  }
}

/** One caller's. */
class Patience {
  /** @type {NodeJS.Timeout | undefined} */
  #timer

  /**
   * @param {number} limitMs
   * @param {() => boolean} isFull whether there is no place; while there is one, something else is waited for
   * @param {() => void} giveUp
   */
  constructor(limitMs, isFull, giveUp) {
    const look = () => {
      if (isFull()) giveUp()
      else this.#timer = setTimeout(look, limitMs)
    }
    this.#timer = setTimeout(look, limitMs)
  }

  end() {
    clearTimeout(this.#timer)
  }
}

module.exports = { Patience, Wait }
