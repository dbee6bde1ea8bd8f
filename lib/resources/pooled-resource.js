// @ts-check
'use strict'
// A resource in its holder's hands. It keeps no reference to the resource itself: whoever has given it back
// cannot reach it here any more.

const { Held, heldLease } = require('../held')

class PooledResource extends Held {
  get resource() {
    const lease = heldLease(this)
    return lease.bridge.errands?.resourceOf(lease)
  }
}

module.exports = { PooledResource }
