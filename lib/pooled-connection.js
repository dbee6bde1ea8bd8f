// @ts-check
'use strict'
// A connection in its holder's hands.

const { remember } = require('./delivery')
const { execute } = require('./execute')
const { Held, heldLease } = require('./held')
const { dialects } = require('./tables')

class PooledConnection extends Held {
  get endpoint() {
    return heldLease(this).endpoint
  }

  get dialect() {
    return dialects[heldLease(this).dialect].name
  }

  shown() {
    const { id, endpoint, dialect, inUse } = this
    return { id, endpoint, dialect, inUse }
  }

  /**
   * @param {unknown} command
   * @param {any} [options]
   */
  execute(command, options) {
    const lease = heldLease(this)
    if (options?.signal === undefined) return execute(lease.bridge, lease, command, options, null)
    return remember((delivery) => execute(lease.bridge, lease, command, options, delivery))
  }
}

module.exports = { PooledConnection }
