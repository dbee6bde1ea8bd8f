// @ts-check
'use strict'
// Where each held connection was acquired, for the events that tell of a leak. Kept only by a pool that
// looks for leaks: a stack costs as much as an acquire.

const { sep } = require('node:path')

/** The object that `Error.captureStackTrace` wrote on; the text is made when somebody reads it. @typedef {{ stack?: string }} Site */

/** More than any pool has. */
const SLOTS = 2 ** 16

/** Frames of this folder tell nobody anything. */
const HERE = __dirname + sep

class Origins {
  #outbox
  /** @type {Map<number, Site>} */
  #sites = new Map()

  /** @param {import('./outbox').Outbox} outbox */
  constructor(outbox) {
    this.#outbox = outbox
  }

  /** @param {Function} callee its own frame is left out @returns {Site} */
  here(callee) {
    /** @type {Site} */
    const site = {}
    Error.captureStackTrace(site, callee)
    return site
  }

  /**
   * @param {import('./binding').LeaseArray} lease
   * @param {Site} site
   */
  granted([slot, generation], site) {
    this.#sites.set(generation * SLOTS + slot, site)
  }

  /**
   * Forgets, once the events that native code has told of this lease are delivered.
   * @param {number} slot
   * @param {number} generation
   */
  gaveBack(slot, generation) {
    this.#outbox.postpone(() => this.#sites.delete(generation * SLOTS + slot))
  }

  /**
   * @param {number} slot
   * @param {number} generation
   * @returns {string | undefined} the lines of the stack alone, the caller's first
   */
  stackOf(slot, generation) {
    const lines = this.#sites
      .get(generation * SLOTS + slot)
      ?.stack?.split('\n')
      .slice(1)
    return lines?.filter((line) => !line.includes(HERE)).join('\n')
  }
}

module.exports = { Origins }
