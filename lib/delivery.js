// @ts-check
'use strict'
// May an aborted command have run? Any other failure says so itself (`PoolError.delivered`); an aborted call
// rejects with the caller's own `signal.reason`, which many calls may share and nobody may write on. So the
// answer is kept beside the call's promise.

/** @typedef {import('./pool-error').Delivered} Delivered */

/**
 * One call's answer, there once the call is aborted.
 * @typedef {{ delivered: Delivered | undefined }} Delivery
 */

/** @type {WeakMap<object, Delivery>} */
const deliveries = new WeakMap()

/**
 * Runs a call whose promise `deliveredOf` shall know.
 * @template T
 * @param {(delivery: Delivery) => Promise<T>} call
 * @returns {Promise<T>}
 */
function remember(call) {
  /** @type {Delivery} */
  const delivery = { delivered: undefined }
  const promise = call(delivery)
  deliveries.set(promise, delivery)
  return promise
}

/**
 * @param {object} promise as `execute` gave it
 * @returns {Delivered | undefined} undefined for a call that was not aborted, and for any other promise
 */
function deliveredOf(promise) {
  return deliveries.get(promise)?.delivered
}

module.exports = { remember, deliveredOf }
