// @ts-check
'use strict'
// A health check of all connections whose ping takes a while: how long it takes, and whether anybody waits for it.

const { setTimeout: after } = require('node:timers/promises')
const { ConnectionPool } = require('../..')
const { oneByOneHealth } = require('../peers/one-by-one-health')
const { quantile } = require('../run/statistics')
const { startServer } = require('../servers/server')

const PING_MS = 200
/** Up to so many connections a round of one after the other is run; beyond, it is reckoned. */
const RUN_UP_TO = { short: 5, full: 20 }
/** A caller comes so often. */
const EVERY_MS = 1

/** @param {ConnectionPool} pool @param {Promise<unknown>} over @returns {Promise<number[]>} what each acquire took, ms */
async function acquiresUntil(pool, over) {
  /** @type {number[]} */
  const took = []
  let isOver = false
  const noted = over.finally(() => {
    isOver = true
  })
  while (!isOver) {
    const begun = performance.now()
    const held = await pool.acquire()
    took.push(performance.now() - begun)
    await held.release()
    await after(EVERY_MS)
  }
  await noted
  return took
}

/** @type {import('.').Contestant} */
const ours = {
  name: 'blender-pool',
  async make(count) {
    const server = await startServer('echo')
    const pool = new ConnectionPool({
      endpoints: server.address,
      dialect: 'worker',
      minConnections: count + 1,
      maxConnections: count + 1,
      maxConnecting: 32,
      healthCheckIntervalMs: 0,
    })
    await pool.warm()
    await server.ask('set', { pingMs: PING_MS })
    return {
      async round() {
        const held = await pool.acquire()
        const begun = performance.now()
        const checked = pool.checkHealth()
        await held.release()
        const waits = acquiresUntil(pool, checked)
        const { connections } = await checked
        const value = performance.now() - begun
        const answered = connections.filter(({ ok }) => ok === true).length
        // The caller may have one in hand just when it would be asked, and that is then left in peace.
        if (answered < count - 1) throw new Error(`${answered} of ${count} answered.`)
        const acquires = await waits
        return {
          value,
          p99: quantile(acquires, 0.99),
          longest: Math.max(...acquires),
          pings: value / PING_MS,
        }
      },
      async close() {
        await pool.close()
        await server.stop()
      },
    }
  },
}

/** @type {import('.').Contestant} */
const oneByOne = {
  name: 'one by one',
  async make(count, { full }) {
    const server = await startServer('echo')
    const isRun = count <= (full ? RUN_UP_TO.full : RUN_UP_TO.short)
    const health = await oneByOneHealth(server, isRun ? count : 1)
    await server.ask('set', { pingMs: PING_MS })
    return {
      async round(round) {
        // Nobody sees the first one.
        if (round === 0) return count * PING_MS
        const begun = performance.now()
        await health.round()
        const took = performance.now() - begun
        return isRun ? took : count * took
      },
      async close() {
        health.close()
        await server.stop()
      },
    }
  },
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 9,
  title: 'a health round, each ping 200 ms',
  unit: 'ms',
  reach: [
    { measure: 'pings', atMost: 1.2, sizes: [20] },
    { measure: 'p99', atMost: 1 },
  ],
  sides:
    'blender-pool: checkHealth() over so many idle connections to a server in a process of its own that takes 200 ms ' +
    'to answer a ping, while a caller comes each millisecond, acquires and releases; one connection more is in ' +
    'use when the round begins, therefore not asked, and left to that caller. At most 32 are asked at the same time, ' +
    'which is the default. The peer pings one after another, as pools written by hand do, and nobody acquires ' +
    `meanwhile; above ${RUN_UP_TO.short} connections (long form: ${RUN_UP_TO.full}) its round is not run but reckoned from one ping.`,
  label: 'connections',
  sizes: [5, 10, 20, 100],
  rounds: { short: 1, full: 3 },
  measures: {
    p99: { title: 'p99 of an acquire meanwhile', unit: 'ms' },
    longest: { title: 'longest acquire meanwhile', unit: 'ms' },
    pings: { title: 'the round, in pings', unit: 'count' },
  },
  contestants: [ours, oneByOne],
}

module.exports = { scenario }
