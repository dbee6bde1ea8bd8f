'use strict'

/** Every timer of one simulator, so that nothing outlives it, and its seeded randomness. */
class Clock {
  /** @type {Map<() => void, NodeJS.Timeout>} */
  #sleepers = new Map()
  #stopped = false
  #seed

  /** @param {number} seed */
  constructor(seed) {
    this.#seed = seed >>> 0
  }

  /**
   * Also ends, early, when the clock stops (look again at the world after it), and takes no time
   * while it stands.
   *
   * @param {number} ms
   * @returns {Promise<void>}
   */
  sleep(ms) {
    if (this.#stopped) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(this.#sleepers.get(wake))
        this.#sleepers.delete(wake)
        resolve()
      }
      this.#sleepers.set(wake, setTimeout(wake, ms))
    })
  }

  start() {
    this.#stopped = false
  }

  /** Ends every sleep now. */
  stop() {
    this.#stopped = true
    for (const wake of [...this.#sleepers.keys()]) wake()
  }

  /** The next number in [0, 1): mulberry32, the same run for the same seed. */
  random() {
    this.#seed = (this.#seed + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), this.#seed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Where everything waits while the process is "stopped". */
class Gate {
  #open = () => {}
  /** @type {Promise<void> | undefined} undefined while it is open */
  #opening

  get isShut() {
    return this.#opening !== undefined
  }

  shut() {
    this.#opening ??= new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open() {
    this.#opening = undefined
    this.#open()
  }

  async pass() {
    while (this.#opening) await this.#opening
  }
}

module.exports = { Clock, Gate }
