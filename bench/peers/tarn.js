// @ts-check
'use strict'
// tarn. `acquire` gives an operation, whose `promise` is to be awaited; `release` is synchronous. A timeout of an
// acquire cannot be turned off, so it has its own default unless told otherwise.

const { Pool } = require('tarn')

/** @type {import('.').Open} */
function open({ max, acquireTimeoutMs = 30_000, create = async () => ({}), destroy = noop }) {
  const pool = new Pool({
    create,
    destroy,
    min: 0,
    max,
    acquireTimeoutMillis: acquireTimeoutMs,
    idleTimeoutMillis: 1e9,
  })
  return {
    acquire: () => pool.acquire().promise,
    release(held) {
      pool.release(held)
      return undefined
    },
    resource: (held) => held,
    close: () => pool.destroy(),
  }
}

function noop() {}

module.exports = { open }
