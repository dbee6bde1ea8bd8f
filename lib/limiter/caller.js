// @ts-check
'use strict'
// One who waits for a run, alone or with others: told once, by the run, by its own signal or by its own clock.

const { clearTimeout, setTimeout } = require('node:timers')
const { unwatch, watch } = require('../abort')

/** @typedef {import('./run').Run} Run */

class Caller {
  #run
  #signal
  /** @type {NodeJS.Timeout | undefined} */
  #timer = undefined
  #failed = false
  #isRefusal = false
  /** @type {any} */
  #outcome = undefined
  #tell = () => {}
  /** @type {Promise<void>} */
  #told

  /**
   * @param {Run} run
   * @param {Readonly<import('./run-options').RunCall>} call
   */
  constructor(run, { signal, timeoutMs }) {
    this.#run = run
    this.#signal = signal
    this.#told = new Promise((resolve) => {
      this.#tell = resolve
    })
    if (signal !== undefined) watch(signal, this)
    if (timeoutMs >= 0) this.#timer = setTimeout(() => this.#timeOut(timeoutMs), timeoutMs)
  }

  /** What it is told. */
  async outcome() {
    await this.#told
    if (!this.#failed) return this.#outcome
    // The line that called is a frame of this moment, not of the one in which the error was made.
    if (this.#isRefusal) Error.captureStackTrace(this.#outcome)
    throw this.#outcome
  }

  /** @param {any} value */
  resolve(value) {
    this.#settle(false, value)
  }

  /** @param {any} error whoever's it is */
  reject(error) {
    this.#settle(true, error)
  }

  /** @param {import('../pool-error').PoolError} error the limiter's own, made for this caller */
  refuse(error) {
    this.#isRefusal = true
    this.#settle(true, error)
  }

  /** Its signal has aborted. */
  abort() {
    const reason = this.#signal?.reason
    this.#run.owner.counts.aborted++
    this.reject(reason)
    this.#run.leave(this, reason)
  }

  /** @param {number} timeoutMs */
  #timeOut(timeoutMs) {
    const error = this.#run.owner.error(this.#run.outOfTime(timeoutMs))
    this.#run.owner.counts.timeouts++
    this.refuse(error)
    this.#run.leave(this, error)
  }

  /**
   * @param {boolean} failed
   * @param {any} outcome
   */
  #settle(failed, outcome) {
    if (this.#signal !== undefined) unwatch(this.#signal, this)
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#failed = failed
    this.#outcome = outcome
    this.#tell()
  }
}

module.exports = { Caller }
