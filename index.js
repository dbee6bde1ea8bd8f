// @ts-check
'use strict'
// The public names, one by one, so that `import { ConnectionPool } from 'blender-pool'` finds them too.

exports.ConnectionPool = require('./lib/connection-pool').ConnectionPool
exports.Limiter = require('./lib/limiter/limiter').Limiter
exports.PooledConnection = require('./lib/pooled-connection').PooledConnection
exports.PooledResource = require('./lib/resources/pooled-resource').PooledResource
exports.ResourcePool = require('./lib/resources/resource-pool').ResourcePool
exports.PoolError = require('./lib/pool-error').PoolError
exports.deliveredOf = require('./lib/delivery').deliveredOf
