// @ts-check
'use strict'
// A pool of connections to Blenders.

const { remember } = require('./delivery')
const { execute } = require('./execute')
const { Pool, bridgeOf } = require('./pool')
const { PooledConnection } = require('./pooled-connection')

/** @extends {Pool<PooledConnection>} */
class ConnectionPool extends Pool {
  /** @param {unknown} [options] */
  constructor(options) {
    super('ConnectionPool', options, (lease) => new PooledConnection(lease))
  }

  /**
   * @param {unknown} command
   * @param {any} [options]
   */
  execute(command, options) {
    const bridge = bridgeOf(this)
    if (options?.signal === undefined) return execute(bridge, null, command, options, null)
    return remember((delivery) => execute(bridge, null, command, options, delivery))
  }

  connections() {
    return bridgeOf(this).snapshot('connections')
  }

  endpoints() {
    return bridgeOf(this).snapshot('endpoints')
  }
}

module.exports = { ConnectionPool }
