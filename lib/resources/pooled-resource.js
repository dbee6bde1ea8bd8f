// @ts-check
'use strict'
// A resource in its holder's hands. It keeps no reference to the resource itself: whoever has given it back
// cannot reach it here any more.

const { Held } = require('../held')

class PooledResource extends Held {
  #lease

  /** @param {import('../lease').Lease} lease */
  constructor(lease) {
    super(lease)
    this.#lease = lease
  }

  get resource() {
    return this.#lease.bridge.errands?.resourceOf(this.#lease)
  }
}

module.exports = { PooledResource }
