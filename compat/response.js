// @ts-check
'use strict'
// A reply as the old files handed it on: { status, result?, message? } and whatever else the add-on sent.

const { PoolError } = require('../lib/pool-error')

/**
 * @typedef {object} BlenderSocketResponse
 * @property {'success' | 'error'} status
 * @property {any} [result]
 * @property {string} [message]
 */

/** @param {any} value @returns {value is BlenderSocketResponse} */
function isResponse(value) {
  if (typeof value !== 'object' || value === null) return false
  if (value.status !== 'success' && value.status !== 'error') return false
  return value.message === undefined || typeof value.message === 'string'
}

/** @param {string} text @returns {unknown} undefined: not JSON */
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * @param {Buffer} document as an add-on of the old files' own dialect sent it
 * @returns {BlenderSocketResponse}
 * @throws {PoolError} ERR_POOL_PROTOCOL
 */
function readResponse(document) {
  const text = document.toString('utf8')
  const response = parse(text)
  if (isResponse(response)) return answered(response)
  const message = 'The reply has no status that is success or error.'
  const details = { received: text }
  throw new PoolError({ code: 'ERR_POOL_PROTOCOL', message, delivered: 'yes', details })
}

/**
 * @param {Record<string, any>} reply of any other dialect, as the pool reads it
 * @returns {BlenderSocketResponse}
 */
function responseOf({ success, ...response }) {
  return answered(/** @type {BlenderSocketResponse} */ (response))
}

/**
 * Some ask `success`. It is not listed: what is printed, compared or sent on stays as it was.
 * @param {BlenderSocketResponse} response
 */
function answered(response) {
  return Object.defineProperty(response, 'success', { value: response.status === 'success' })
}

module.exports = { readResponse, responseOf }
