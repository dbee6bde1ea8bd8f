// @ts-check
'use strict'
// A connection in its holder's hands.

const { remember } = require('./delivery')
const { execute } = require('./execute')
const { Held } = require('./held')
const { dialects } = require('./tables')

/** @typedef {import('./lease').Lease} Lease */

class PooledConnection extends Held {
  #lease

  /** @param {Lease} lease */
  constructor(lease) {
    super(lease)
    this.#lease = lease
  }

  get endpoint() {
    return this.#lease.endpoint
  }

  get dialect() {
    return dialects[this.#lease.dialect].name
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
    const lease = this.#lease
    if (options?.signal === undefined) return execute(lease.bridge, lease, command, options, null)
    return remember((delivery) => execute(lease.bridge, lease, command, options, delivery))
  }
}

module.exports = { PooledConnection }
