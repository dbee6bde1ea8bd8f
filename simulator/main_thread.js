'use strict'

/**
 * The one thread on which a Blender does everything: it takes one task a beat from a queue. A task
 * that never gets its turn (a file load, the end of the process) is told so by `lost()`.
 */

/**
 * @typedef {object} Task
 * @property {() => Promise<void>} run never rejects
 * @property {() => void} lost
 */

class MainThread {
  /** @type {Task[]} */
  #queue = []
  #serving = false
  #stopped = false
  #deaf = false
  #beatMs
  #clock
  #gate

  /** @param {{ beatMs: number, clock: import('./clock').Clock, gate: import('./clock').Gate }} parts */
  constructor({ beatMs, clock, gate }) {
    this.#beatMs = beatMs
    this.#clock = clock
    this.#gate = gate
  }

  /** @param {Task} task */
  post(task) {
    if (this.#stopped || this.#deaf) return task.lost()
    this.#queue.push(task)
    if (!this.#serving) this.#serve()
  }

  async #serve() {
    this.#serving = true
    while (this.#queue.length > 0) {
      if (this.#beatMs > 0) await this.#clock.sleep(this.#untilNextBeat())
      await this.#gate.pass()
      await this.#queue.shift()?.run()
    }
    this.#serving = false
  }

  #untilNextBeat() {
    return this.#beatMs - (performance.now() % this.#beatMs)
  }

  /** What a file load does to tasks that were registered as timers. */
  dropQueued() {
    for (const task of this.#queue.splice(0)) task.lost()
  }

  /** What a file load does to an add-on whose one timer is forgotten: it takes nothing ever after. */
  deafen() {
    this.#deaf = true
    this.dropQueued()
  }

  stop() {
    this.#stopped = true
    this.dropQueued()
  }
}

module.exports = { MainThread }
