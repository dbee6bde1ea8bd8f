// @ts-check
'use strict'
// A pool of whatever user code makes: SSH sessions, database clients.

const { Errands } = require('./errands')
const { Pool, bridgeOf } = require('./pool')
const { PooledResource } = require('./pooled-resource')

/** @extends {Pool<PooledResource>} */
class ResourcePool extends Pool {
  /** @param {any} options */
  constructor(options) {
    super('ResourcePool', options, (lease) => new PooledResource(lease))
    const { create, validate, destroy } = options
    bridgeOf(this).errands = new Errands(bridgeOf(this), { create, validate, destroy })
  }

  resources() {
    return bridgeOf(this).snapshot('connections')
  }
}

module.exports = { ResourcePool }
