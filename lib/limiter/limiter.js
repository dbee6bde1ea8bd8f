// @ts-check
'use strict'
// So many at a time, so many starts within a second and a minute: the public face. What a run is and what becomes
// of it is the work of its runs; permits, queue and rate are native code's.

const { inspect } = require('node:util')
const { asyncDispose } = require('../async-dispose')
const { invalidOption } = require('../invalid-option')
const { readOptions } = require('../options')
const { readCloseOptions } = require('../order-options')
const { readRunOptions } = require('./run-options')
const { Runs } = require('./runs')

class Limiter {
  #runs
  /** @type {Promise<any> | null} */
  #closed = null

  /** @param {unknown} options */
  constructor(options) {
    const { values } = readOptions('Limiter', options)
    if (values.maxConcurrent === null) {
      throw invalidOption('maxConcurrent', undefined, 'given: how many may run at the same time')
    }
    this.#runs = new Runs(values)
  }

  get name() {
    return this.#runs.name
  }

  get state() {
    return this.#runs.native.state()
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => T} fn
   * @param {unknown} [options]
   * @returns {Promise<Awaited<T>>}
   */
  run(fn, options) {
    try {
      if (typeof fn !== 'function') throw invalidOption('fn', fn, 'a function')
      const call = readRunOptions(options)
      if (call.signal?.aborted) return Promise.reject(call.signal.reason)
      return this.#runs.run(fn, call)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  stats() {
    return this.#runs.stats()
  }

  /** @param {string} [reason] */
  clear(reason = 'the limiter was cleared while this run waited') {
    if (typeof reason !== 'string') throw invalidOption('reason', reason, 'a string')
    this.#runs.clear(reason)
  }

  /**
   * @param {unknown} [options]
   * @returns {Promise<any>} one for all who ask
   */
  close(options) {
    try {
      const { timeoutMs, force } = readCloseOptions(options)
      if (this.#closed === null) this.#closed = this.#runs.close(timeoutMs, force)
      else if (force) this.#runs.hurry()
      return this.#closed
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async [asyncDispose]() {
    await this.close()
  }

  [inspect.custom]() {
    const { name, state, maxConcurrent, running, waiting } = this.stats()
    return `Limiter ${inspect({ name, state, maxConcurrent, running, waiting }, { breakLength: Infinity })}`
  }
}

module.exports = { Limiter }
