// @ts-check
'use strict'
// lightning-pool. Without `min`: it would look after it on a turn of its own at each acquire. `release` rather than
// `releaseAsync`, which is slower by a promise. Its queue is bounded by default; here it is not.

const { setTimeout: pause } = require('node:timers/promises')

/** After a great many of its waiters have timed out, its close was seen not to end. */
const CLOSE_MS = 200

/** @type {import('.').Open} */
async function open({ max, acquireTimeoutMs = 0, create = async () => ({}), destroy = noop }) {
  const { Pool } = await import('lightning-pool')
  const pool = new Pool(
    { create, destroy: async (resource) => destroy(resource) },
    {
      max,
      maxQueue: 1e9,
      acquireTimeoutMillis: acquireTimeoutMs,
      idleTimeoutMillis: 1e9,
      validation: false,
    },
  )
  pool.start()
  return {
    acquire: () => pool.acquire(),
    release(held) {
      pool.release(held)
      return undefined
    },
    resource: (held) => held,
    close: () => Promise.race([pool.closeAsync(true), pause(CLOSE_MS)]),
  }
}

function noop() {}

module.exports = { open }
