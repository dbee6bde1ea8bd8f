// @ts-check
'use strict'

/** Chance that can be had again: mulberry32, the same numbers for the same seed. */
class Random {
  #state

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0
  }

  /** In [0, 1). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `low` to `high`. @param {number} low @param {number} high */
  between(low, high) {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  /** Whether something that happens with this probability happens. @param {number} probability */
  is(probability) {
    return this.next() < probability
  }

  /** One of a list. @template T @param {readonly T[]} list @returns {T} */
  of(list) {
    return list[this.between(0, list.length - 1)]
  }
}

module.exports = { Random }
