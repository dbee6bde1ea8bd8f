// @ts-check
'use strict'
// pg-pool, with a client that is no database's: it holds what the factory makes. Without a timer for idle clients and
// without one for waiting, unless a timeout is asked for; a client is given back by its own synchronous `release`.

const { EventEmitter } = require('node:events')

// @ts-expect-error it has no types
const PgPool = require('pg-pool')

/** @type {import('.').Open} */
function open({ max, acquireTimeoutMs, create = async () => ({}), destroy = noop }) {
  class Client extends EventEmitter {
    _queryable = true
    /** @type {any} */
    made = null

    /** @param {(error: Error | null) => void} done */
    connect(done) {
      create().then(
        (made) => {
          this.made = made
          done(null)
        },
        (error) => done(error),
      )
    }

    /** @param {() => void} done */
    end(done) {
      Promise.resolve(destroy(this.made)).then(() => done())
    }
  }
  const limit = acquireTimeoutMs === undefined ? {} : { connectionTimeoutMillis: acquireTimeoutMs }
  const pool = new PgPool({ max, idleTimeoutMillis: 0, Client, ...limit })
  return {
    acquire: () => pool.connect(),
    release(held) {
      held.release()
      return undefined
    },
    resource: (held) => held.made,
    close: () => pool.end(),
  }
}

function noop() {}

module.exports = { open }
