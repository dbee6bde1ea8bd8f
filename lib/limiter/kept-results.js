// @ts-check
'use strict'
// Results that are good for a while, by key: so many at most, the oldest goes first. What is too old is found when
// somebody asks; there is no timer.

/** @typedef {{ value: any, until: number }} Kept */

class KeptResults {
  /** In the order in which they came. @type {Map<string, Kept>} */
  #byKey = new Map()
  #max

  /** @param {number} max */
  constructor(max) {
    this.#max = max
  }

  /** How many are good now. */
  get size() {
    for (const key of this.#byKey.keys()) this.get(key)
    return this.#byKey.size
  }

  /** @param {string} key */
  get(key) {
    const kept = this.#byKey.get(key)
    if (kept === undefined || performance.now() < kept.until) return kept
    this.#byKey.delete(key)
    return undefined
  }

  /**
   * @param {string} key
   * @param {any} value
   * @param {number} forMs
   */
  keep(key, value, forMs) {
    // Out first: what is kept anew is the youngest.
    this.#byKey.delete(key)
    this.#byKey.set(key, { value, until: performance.now() + forMs })
    for (const oldest of this.#byKey.keys()) {
      if (this.#byKey.size <= this.#max) break
      this.#byKey.delete(oldest)
    }
  }

  clear() {
    this.#byKey.clear()
  }
}

module.exports = { KeptResults }
