// @ts-check
'use strict'
// A pool of whatever user code makes: SSH sessions, database clients.

const { Pool, bridgeOf } = require('../pool')
const { Errands } = require('./errands')
const { PooledResource } = require('./pooled-resource')

/** @extends {Pool<PooledResource>} */
class ResourcePool extends Pool {
  /** @param {unknown} options */
  constructor(options) {
    super(
      'ResourcePool',
      options,
      (lease) => new PooledResource(lease),
      (...about) => new Errands(...about),
    )
  }

  /** What means nothing here is left out. */
  resources() {
    return bridgeOf(this)
      .snapshot('connections')
      .map((/** @type {Record<string, unknown>} */ { endpoint, dialect, ...shown }) => shown)
  }
}

module.exports = { ResourcePool }
