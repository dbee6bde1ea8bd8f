// @ts-check
'use strict'
// The user's create, validate and destroy, run when native code asks for it. Whatever they do is contained
// here: native code gets at most one answer to each errand, and has its own clock for those that never end.
// The things themselves never leave JavaScript; native code knows their numbers.
//
//   create ──> kept ──────────────────────> destroyed, once
//      └─ too late: nobody wants it any more ──^

const { said } = require('../hooks')
const { warn } = require('../warning')

/** @typedef {import('../bridge').Bridge} Bridge */

/**
 * @typedef {object} Factory
 * @property {(signal: AbortSignal) => any} [create] native code insists on it
 * @property {(resource: any) => any} [validate]
 * @property {(resource: any) => any} [destroy]
 */

/** @typedef {{ controller: AbortController, since: number, givenUpAt: number }} Making */

/** What native code asks for, by its numbers. */
const ERRANDS = /** @type {const} */ (['create', 'abandon', 'validate', 'destroy'])

class Errands {
  #bridge
  #factory
  #createTimeoutMs
  /** What slots hold, by number. @type {Map<number, any>} */
  #kept = new Map()
  /** What is being made and still wanted. @type {Map<number, Making>} */
  #making = new Map()
  #ended = false

  /**
   * @param {Bridge} bridge
   * @param {Factory} factory
   * @param {number} createTimeoutMs
   */
  constructor(bridge, { create, validate, destroy }, createTimeoutMs) {
    this.#bridge = bridge
    this.#factory = { create, validate, destroy }
    this.#createTimeoutMs = createTimeoutMs
  }

  /**
   * What a holder has in hand.
   * @param {import('../lease').Lease} lease
   * @throws {import('../pool-error').PoolError} ERR_POOL_NOT_HELD, ERR_POOL_CONNECTION_LOST
   */
  resourceOf(lease) {
    if (!lease.held) throw lease.notHeld()
    const { connectionId } = lease
    if (this.#kept.has(connectionId)) return this.#kept.get(connectionId)
    const message = `Resource ${connectionId} was destroyed while it was held.`
    throw this.#error('ERR_POOL_CONNECTION_LOST', message, connectionId)
  }

  /**
   * An ERRAND entry. Never throws.
   * @param {number} errand
   * @param {[number, number]} about the resource's number, and that of the check; of what is abandoned,
   *   whether its time was over
   */
  run(errand, [id, number]) {
    const what = ERRANDS[errand]
    if (what === 'create') this.#create(id)
    else if (what === 'abandon') this.#abandon(id, number === 1)
    else if (what === 'validate') this.#validate(id, number)
    else if (this.#kept.has(id)) this.#destroy(id, this.#kept.get(id))
  }

  /** The pool is closed, and native code asks for nothing more: what it could not ask for is done here. */
  end() {
    this.#ended = true
    for (const id of this.#making.keys()) this.#abandon(id, false)
    for (const [id, resource] of this.#kept) this.#destroy(id, resource)
  }

  /** @param {number} id */
  async #create(id) {
    const making = { controller: new AbortController(), since: performance.now(), givenUpAt: 0 }
    this.#making.set(id, making)
    let resource
    try {
      resource = await attempt(this.#factory.create, making.controller.signal)
    } catch (error) {
      // Of one that was given up, how it ended interests nobody.
      if (this.#making.delete(id)) this.#bridge.native.made(id, this.#thrown('create', id, error))
      return
    }
    this.#making.delete(id)
    this.#kept.set(id, resource)
    if (!this.#ended && this.#bridge.native.made(id, null)) return
    this.#tellLate(id, making)
    this.#destroy(id, resource)
  }

  /**
   * @param {number} id
   * @param {boolean} isOutOfTime
   */
  #abandon(id, isOutOfTime) {
    const making = this.#making.get(id)
    if (making === undefined) return
    this.#making.delete(id)
    making.givenUpAt = performance.now()
    const reason = this.#reason(id, isOutOfTime)
    // What native code tells of it has the same below it.
    if (isOutOfTime) this.#bridge.thrown.keep('create', id, reason)
    making.controller.abort(reason)
  }

  /**
   * Why the signal of a create aborts.
   * @param {number} id
   * @param {boolean} isOutOfTime
   */
  #reason(id, isOutOfTime) {
    if (isOutOfTime) {
      const message = `create did not finish within ${this.#createTimeoutMs} ms (connectTimeoutMs)`
      return this.#error('ERR_POOL_CONNECT', message, id)
    }
    const isOpen = ['ready', 'paused'].includes(this.#bridge.native.state())
    const message = `the pool was ${isOpen ? 'cleared' : 'closed'} while this resource was being made`
    return this.#error(isOpen ? 'ERR_POOL_CLEARED' : 'ERR_POOL_CLOSED', message, id)
  }

  /**
   * What comes after it was given up is told while the pool is open; when that closes it is to be expected.
   * @param {number} id
   * @param {Making} making
   */
  #tellLate(id, { since, givenUpAt }) {
    const { native, herald } = this.#bridge
    if (!['ready', 'paused'].includes(native.state())) return
    const value = performance.now() - since
    const threshold = givenUpAt === 0 ? value : givenUpAt - since
    const message =
      `create made resource ${id} after ${Math.round(value)} ms; it was given up after ` +
      `${Math.round(threshold)} ms, and what came is destroyed. Stop when the signal of create aborts.`
    const figures = { metric: 'lateResource', value, threshold, endpoint: 'factory' }
    herald.tell('alert', { severity: 'warning', ...figures, message })
  }

  /**
   * @param {number} id
   * @param {number} exchange
   */
  async #validate(id, exchange) {
    if (!this.#kept.has(id)) return
    let error = null
    try {
      const verdict = await attempt(this.#factory.validate, this.#kept.get(id))
      if (verdict === false) error = 'it gave false'
    } catch (thrown) {
      error = this.#thrown('validate', exchange, thrown)
    }
    this.#bridge.native.validated(id, exchange, error)
  }

  /**
   * @param {number} id
   * @param {any} resource
   */
  #destroy(id, resource) {
    this.#kept.delete(id)
    // The wait for it must not keep the resource: it may be for ever.
    this.#destroyed(id, attempt(this.#factory.destroy, resource))
  }

  /**
   * @param {number} id
   * @param {Promise<unknown>} ends
   */
  async #destroyed(id, ends) {
    try {
      await ends
      this.#bridge.native.destroyed(id, null)
    } catch (thrown) {
      if (this.#bridge.native.destroyed(id, this.#thrown('destroy', id, thrown))) return
      const message = `destroy failed for resource ${id} of ${this.#bridge.name}, which is closed.`
      warn('PoolDestroyWarning', message, thrown)
    }
  }

  /**
   * @param {string} what ran
   * @param {number} number
   * @param {unknown} error what it threw
   * @returns {string} the same in words, for native code
   */
  #thrown(what, number, error) {
    this.#bridge.thrown.keep(what, number, error)
    return said(error)
  }

  /**
   * @param {string} code
   * @param {string} message
   * @param {number} connectionId
   */
  #error(code, message, connectionId) {
    return this.#bridge.error({ code, message, connectionId, endpoint: 'factory' })
  }
}

/**
 * Runs user code; whatever it does becomes the promise's end.
 * @param {((argument: any) => any) | undefined} work
 * @param {any} argument
 */
async function attempt(work, argument) {
  return work?.(argument)
}

module.exports = { Errands }
