// @ts-check
'use strict'
// generic-pool. By default nothing is evicted, validated or timed, which is its fastest; `release` gives a promise.

const { createPool } = require('generic-pool')

/** @type {import('.').Open} */
function open({ max, acquireTimeoutMs, create = async () => ({}), destroy = noop }) {
  const limit = acquireTimeoutMs === undefined ? {} : { acquireTimeoutMillis: acquireTimeoutMs }
  const pool = createPool(
    { create, destroy: async (resource) => destroy(resource) },
    { max, ...limit },
  )
  return {
    acquire: () => /** @type {Promise<any>} */ (pool.acquire()),
    release: (held) => /** @type {Promise<void>} */ (pool.release(held)),
    resource: (held) => held,
    async close() {
      await pool.drain()
      await pool.clear()
    },
  }
}

function noop() {}

module.exports = { open }
