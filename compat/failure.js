// @ts-check
'use strict'
// The pool's errors in the old files' words: the message that servers match on, and beside it what the new
// error knows: code, advice, delivered, retryable, and the PoolError itself as the cause.

const { PoolError } = require('../lib/pool-error')

/**
 * How one of the old files said it.
 * @typedef {object} Words
 * @property {string} timeout
 * @property {string} lost
 * @property {string} closed
 * @property {(reason: string) => string} connect
 * @property {Readonly<Record<string, string>>} advice by code, where the pool's own speaks of what is not there
 * @property {(error: PoolError, message: string) => Error} [tooLarge]
 */

const CONNECT = new Set(['ERR_POOL_CONNECT', 'ERR_POOL_ENDPOINT_DOWN'])

/** What only the pool below has: settings, methods, and itself. */
const OF_THE_POOL = /[a-z][A-Z]|\(\)|dialect option|set dialect|\bpool\b|[Ll]imiter/

/** Of a reply that is none, so much is shown. */
const SHOWN = 200

/** @param {string} reply */
function invalidReply(reply) {
  const shown = reply.length > SHOWN ? `${reply.slice(0, SHOWN)}...` : reply
  return `Invalid response structure from Blender. Expected BlenderSocketResponse with status field, got: ${shown}`
}

/**
 * @param {PoolError} error
 * @param {Words} words
 */
function messageOf(error, words) {
  const { code, message, cause, delivered, details } = error
  if (CONNECT.has(code)) {
    const { syscall, message: reason } = /** @type {any} */ (cause ?? {})
    return words.connect(syscall === undefined ? message : reason)
  }
  switch (code) {
    // A call has its place already: what it waits for is Blender.
    case 'ERR_POOL_ACQUIRE_TIMEOUT':
    case 'ERR_POOL_COMMAND_TIMEOUT':
      return words.timeout
    case 'ERR_POOL_CONNECTION_LOST':
      return words.lost
    case 'ERR_POOL_CLOSED':
      return delivered === 'no' ? words.closed : words.lost
    case 'ERR_POOL_PROTOCOL': {
      const reply = details?.received
      // Without one, the stream ended in the middle of it.
      return typeof reply === 'string' ? invalidReply(reply) : words.lost
    }
    default:
      return message
  }
}

/**
 * @param {PoolError} error
 * @param {Words} words
 */
function adviceOf({ code, advice }, words) {
  return OF_THE_POOL.test(advice) ? (words.advice[code] ?? advice) : advice
}

/**
 * What the PoolError knows, on another error.
 * @template {Error} T
 * @param {T} error
 * @param {PoolError} cause
 * @param {string} [advice]
 */
function explained(error, cause, advice = cause.advice) {
  const { code, delivered, retryable, endpoint } = cause
  Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true })
  return Object.assign(error, { code, advice, delivered, retryable }, endpoint && { endpoint })
}

/**
 * @param {unknown} error
 * @param {Words} words
 * @returns {unknown} the same error where it is none of the pool's
 */
function failure(error, words) {
  if (!(error instanceof PoolError)) return error
  const advice = adviceOf(error, words)
  if (error.code === 'ERR_POOL_REPLY_TOO_LARGE' && words.tooLarge) {
    return explained(words.tooLarge(error, error.message), error, advice)
  }
  return explained(new Error(messageOf(error, words)), error, advice)
}

/**
 * An error of this module's own, which has no other below it.
 * @param {string} message
 * @param {string} code
 * @param {string} advice
 */
function refusal(message, code, advice) {
  return explained(new Error(message), new PoolError({ code, message, advice }))
}

module.exports = { failure, refusal }
