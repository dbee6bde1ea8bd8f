// @ts-check
'use strict'
// An error for a caller who was given a promise before anybody knew of the error, with the caller's own line in its stack.

/**
 * @template T
 * @param {() => T} attempt
 * @returns {T | Promise<never>} a promise that rejects with what was thrown
 */
function refused(attempt) {
  const { stackTraceLimit } = Error
  // The stack that it would have is not the one it gets, and costs as much.
  Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return attempt()
  } catch (error) {
    return refusal(/** @type {Error} */ (error))
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

/**
 * The line that called is a frame of this moment, not of the one in which the error was made; and the caller's promise
 * leads there only when it has taken this one up.
 * @param {Error} error
 * @returns {Promise<never>}
 */
async function refusal(error) {
  await undefined
  await undefined
  Error.captureStackTrace(error)
  throw error
}

module.exports = { refused }
