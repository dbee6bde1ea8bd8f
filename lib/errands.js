// @ts-check
'use strict'
// The user's create, validate and destroy, run when native code asks for it. Whatever they do is contained
// here: native code gets at most one answer to each errand, and has its own clock for those that never end.
// The things themselves never leave JavaScript; native code knows their numbers.

const { said } = require('./hooks')

/** @typedef {import('./bridge').Bridge} Bridge */

/**
 * @typedef {object} Factory
 * @property {(signal: AbortSignal) => any} create
 * @property {(resource: any) => any} [validate]
 * @property {(resource: any) => any} [destroy]
 */

class Errands {
  #bridge
  #factory
  /** What slots hold, by number. @type {Map<number, any>} */
  #kept = new Map()
  /** What is being made. @type {Map<number, AbortController>} */
  #making = new Map()

  /**
   * @param {Bridge} bridge
   * @param {Factory} factory
   */
  constructor(bridge, factory) {
    this.#bridge = bridge
    this.#factory = factory
  }

  /** @param {number} id */
  resourceOf(id) {
    return this.#kept.get(id)
  }

  /**
   * An ERRAND entry. Never throws.
   * @param {number} errand
   * @param {[number, number]} about the resource's number, and that of the check
   */
  run(errand, [id, exchange]) {
    if (errand === 0) this.#create(id)
    else if (errand === 1) this.#abandon(id)
    else if (errand === 2) this.#validate(id, exchange)
    else this.#destroy(id)
  }

  /** @param {number} id */
  async #create(id) {
    const controller = new AbortController()
    this.#making.set(id, controller)
    let resource
    try {
      resource = await this.#factory.create(controller.signal)
    } catch (error) {
      this.#making.delete(id)
      this.#bridge.native.made(id, said(error))
      return
    }
    this.#making.delete(id)
    this.#kept.set(id, resource)
    if (!this.#bridge.native.made(id, null)) this.#destroy(id)
  }

  /** @param {number} id */
  #abandon(id) {
    this.#making.get(id)?.abort()
  }

  /**
   * @param {number} id
   * @param {number} exchange
   */
  async #validate(id, exchange) {
    let error = null
    try {
      if ((await this.#factory.validate?.(this.#kept.get(id))) === false) error = 'it said false'
    } catch (thrown) {
      error = said(thrown)
    }
    this.#bridge.native.validated(id, exchange, error)
  }

  /** @param {number} id */
  async #destroy(id) {
    const resource = this.#kept.get(id)
    this.#kept.delete(id)
    let error = null
    try {
      await this.#factory.destroy?.(resource)
    } catch (thrown) {
      error = said(thrown)
    }
    this.#bridge.native.destroyed(id, error)
  }
}

module.exports = { Errands }
