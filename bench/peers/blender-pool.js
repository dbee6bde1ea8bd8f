// @ts-check
'use strict'
// Ours, as it comes: health checks, alerts and timeouts stay on. Only the limit of uses is taken off, which no peer
// has: a measurement would be one of making resources.

const { ConnectionPool, ResourcePool } = require('../..')
const { startSimulator } = require('../../simulator')

const MOST_USES = 2 ** 32 - 1

/** A ResourcePool. @type {import('.').Open} */
function open({ max, acquireTimeoutMs, create = async () => ({}), destroy }) {
  const pool = new ResourcePool({
    maxConnections: max,
    maxConnecting: max,
    maxUses: MOST_USES,
    acquireTimeoutMs,
    create,
    destroy,
  })
  return {
    acquire: () => pool.acquire(),
    release: (held) => held.release(),
    resource: (held) => held.resource,
    close: () => pool.close({ force: true }),
  }
}

/** A ConnectionPool: what it lends are connections to the bundled simulator. @type {import('.').Open} */
async function openConnections({ max, acquireTimeoutMs }) {
  const simulator = await startSimulator({ dialect: 'worker', beatMs: 0 })
  const pool = new ConnectionPool({
    endpoints: simulator.address,
    dialect: 'worker',
    maxConnections: max,
    maxConnecting: max,
    maxUses: MOST_USES,
    acquireTimeoutMs,
  })
  return {
    acquire: () => pool.acquire(),
    release: (held) => held.release(),
    resource: (held) => held.id,
    async close() {
      await pool.close({ force: true })
      await simulator.close()
    },
  }
}

module.exports = { open, openConnections }
