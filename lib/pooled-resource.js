// @ts-check
'use strict'
// A resource in its holder's hands.

const { Held } = require('./held')

class PooledResource extends Held {
  #resource

  /** @param {import('./lease').Lease} lease */
  constructor(lease) {
    super(lease)
    this.#resource = lease.bridge.errands?.resourceOf(lease.connectionId)
  }

  get resource() {
    return this.#resource
  }
}

module.exports = { PooledResource }
