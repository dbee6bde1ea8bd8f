// @ts-check
'use strict'
// What becomes of work within its time. Work that throws, rejects or hangs is an answer here like any
// other; what it does after its time is nobody's, and never an unhandled rejection.

/**
 * @template T
 * @typedef {{ status: 'done', value: T } | { status: 'failed', error: unknown } | { status: 'timeout' }} Outcome
 */

/**
 * @template T
 * @param {() => T | PromiseLike<T>} work
 * @param {number} timeoutMs 0: what it can do in one turn of the event loop
 * @param {{ ref: boolean }} [settings] whether the wait holds the process; default: true
 * @returns {Promise<Outcome<T>>} never rejects
 */
async function outcome(work, timeoutMs, { ref } = { ref: true }) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  /** @type {Promise<Outcome<T>>} */
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ status: 'timeout' }), timeoutMs)
    if (!ref) timer.unref()
  })
  try {
    return await Promise.race([finished(work), late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * @template T
 * @param {() => T | PromiseLike<T>} work
 * @returns {Promise<Outcome<T>>}
 */
async function finished(work) {
  try {
    return { status: 'done', value: await work() }
  } catch (error) {
    return { status: 'failed', error }
  }
}

module.exports = { outcome }
