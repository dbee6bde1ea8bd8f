// @ts-check
'use strict'
// The public names, one by one, so that `import { ConnectionPool } from 'blender-pool'` finds them too. What not
// every program needs is loaded when it is asked for.

exports.ConnectionPool = require('./lib/connection-pool').ConnectionPool
exports.PooledConnection = require('./lib/pooled-connection').PooledConnection
exports.PoolError = require('./lib/pool-error').PoolError
exports.deliveredOf = require('./lib/delivery').deliveredOf

const later = {
  get Limiter() {
    return require('./lib/limiter/limiter').Limiter
  },
  get PooledResource() {
    return require('./lib/resources/pooled-resource').PooledResource
  },
  get ResourcePool() {
    return require('./lib/resources/resource-pool').ResourcePool
  },
}

// In this very form, which import looks for in what it has not run yet.
Object.defineProperty(exports, 'Limiter', {
  enumerable: true,
  get() {
    return later.Limiter
  },
})
Object.defineProperty(exports, 'PooledResource', {
  enumerable: true,
  get() {
    return later.PooledResource
  },
})
Object.defineProperty(exports, 'ResourcePool', {
  enumerable: true,
  get() {
    return later.ResourcePool
  },
})
