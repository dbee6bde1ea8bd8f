// @ts-check
'use strict'
// Whether a Blender is still there, asked over a connection of its own: what the pool under load says of it must not
// decide whether the pool is to blame.

const { ConnectionPool } = require('..')

/** What is heard of nobody, or of somebody who stands still. Any other error is an answer of some kind. */
const TIMEOUTS = new Set(['ERR_POOL_ACQUIRE_TIMEOUT', 'ERR_POOL_COMMAND_TIMEOUT'])
const UNREACHABLE = new Set(['ERR_POOL_CONNECT', 'ERR_POOL_ENDPOINT_DOWN'])

/** @typedef {{ silent: boolean, cause: string }} Absence `silent`: it can be connected to, and answers nothing */

/**
 * @param {import('..').PoolOptions} options
 * @param {import('./speech').Speech} speech
 * @param {number} ms how long an answer may take
 * @returns {Promise<Absence | null>} null as soon as one of the endpoints answers
 */
async function absenceOf(options, speech, ms) {
  const pool = new ConnectionPool({ ...options, connectRetryMs: 0, connectTimeoutMs: ms })
  const asked = pool.endpoints().map(async ({ name: endpoint }) => {
    try {
      const ask = speech.command(speech.mark())
      await pool.use((held) => held.execute(ask, { timeoutMs: ms }), { endpoint, timeoutMs: ms })
    } catch (/** @type {any} */ error) {
      if (TIMEOUTS.has(error?.code) || UNREACHABLE.has(error?.code)) throw error
    }
  })
  try {
    await Promise.any(asked)
    return null
  } catch (/** @type {any} */ { errors: [error] }) {
    // A refusal or a reset is the operating system's word, and comes with its code.
    const silent = TIMEOUTS.has(error.code) || error.cause?.code === undefined
    return { silent, cause: error.message }
  } finally {
    await pool.close({ force: true })
  }
}

module.exports = { TIMEOUTS, UNREACHABLE, absenceOf }
