// @ts-check
'use strict'
// What user code threw, by the run that threw it. Native code knows an error's text and its run; so the faults
// it makes later get the very error as their cause. Only the last ones are kept: an error may hold a lot.

const { types } = require('node:util')

const KEPT = 256

class Thrown {
  /** By run, the oldest first. @type {Map<string, Error>} */
  #errors = new Map()

  /**
   * @param {string} what ran: create, validate, destroy, hook
   * @param {number} number native code's, of this run
   * @param {unknown} thrown anything at all; what is no error is not kept
   */
  keep(what, number, thrown) {
    if (!isError(thrown)) return
    this.#errors.set(`${what} ${number}`, thrown)
    if (this.#errors.size <= KEPT) return
    for (const oldest of this.#errors.keys()) {
      this.#errors.delete(oldest)
      return
    }
  }

  /**
   * The cause of a fault, as it is to be shown.
   * @param {any} cause as native code tells it
   */
  causeOf(cause) {
    if (cause?.run === undefined) return cause
    const { run, ...told } = cause
    return this.#errors.get(run) ?? told
  }
}

/** @param {unknown} thrown @returns {thrown is Error} */
function isError(thrown) {
  try {
    return types.isNativeError(thrown) || thrown instanceof Error
  } catch {
    return false
  }
}

module.exports = { Thrown, isError }
