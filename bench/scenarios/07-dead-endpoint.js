// @ts-check
'use strict'
// Nobody listens for two seconds, and five wait: how often it is tried, what of a processor that takes, and whether
// who waited learns why.

const net = require('node:net')
const { setTimeout: pause } = require('node:timers/promises')
const { ConnectionPool } = require('../..')
const { POOLS } = require('../peers')

const OUTAGE_MS = 2000
const MAX = 5

/** @typedef {{ acquire: () => Promise<unknown>, attempts: () => number, close: () => unknown }} Prepared */

/**
 * A port on which nothing listens, from below the range out of which a system gives ports to whoever asks for any:
 * one from there could be somebody else's a moment later.
 */
async function quietPort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = net.createServer()
    const isFree = await new Promise((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** @param {number} port @returns {Prepared} */
function connections(port) {
  const pool = new ConnectionPool({
    endpoints: `127.0.0.1:${port}`,
    dialect: 'worker',
    maxConnections: MAX,
    acquireTimeoutMs: OUTAGE_MS,
    connectRetryMs: 60_000,
  })
  let attempts = 0
  pool.on('connectionCreated', () => attempts++)
  return {
    acquire: () => pool.acquire(),
    attempts: () => attempts,
    close: () => pool.close({ force: true }),
  }
}

/** @param {import('../peers').Open} open @param {number} port @returns {Promise<Prepared>} */
async function sockets(open, port) {
  let attempts = 0
  const create = () =>
    new Promise((resolve, reject) => {
      attempts++
      const socket = net.connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(socket))
      socket.once('error', reject)
    })
  const pool = await open({ max: MAX, acquireTimeoutMs: OUTAGE_MS, create })
  return { acquire: () => pool.acquire(), attempts: () => attempts, close: () => pool.close() }
}

/** Does it say that the connection was refused, itself or by what it names as its cause? @param {any} error @returns {boolean} */
function tellsWhy(error) {
  if (error === null || typeof error !== 'object') return false
  return /ECONNREFUSED/.test(`${error.code} ${error.message}`) || tellsWhy(error.cause)
}

/** @param {Prepared} pool @param {number} waiters */
async function endure(pool, waiters) {
  const before = process.cpuUsage()
  const begun = performance.now()
  const errors = await Promise.all(
    Array.from({ length: waiters }, () =>
      pool.acquire().then(
        () => null,
        (error) => error,
      ),
    ),
  )
  const took = performance.now() - begun
  if (errors.includes(null)) throw new Error('Somebody got a connection from nobody.')
  await pause(Math.max(0, OUTAGE_MS - took))
  const { user, system } = process.cpuUsage(before)
  return {
    value: pool.attempts(),
    cpu: (user + system) / 10 / (performance.now() - begun),
    why: (100 * errors.filter(tellsWhy).length) / waiters,
    waited: took,
  }
}

/** @param {string} name @param {import('../peers').Open} open @returns {import('.').Contestant} */
function contestant(name, open) {
  return {
    name,
    make: (waiters) => ({
      async round() {
        const port = await quietPort()
        const pool = name === 'blender-pool' ? connections(port) : await sockets(open, port)
        const measured = await endure(pool, waiters)
        // One that tries on for ever cannot be closed either; its process ends with the scenario.
        await Promise.race([pool.close(), pause(500)])
        return measured
      },
    }),
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 7,
  title: 'a dead endpoint for 2 s',
  unit: 'count',
  reach: [{ atMost: 10 }, { measure: 'cpu', atMost: 2 }, { measure: 'why', atLeast: 100 }],
  sides:
    '5 callers acquire with a timeout of 2 s, 5 connections are allowed, and the port refuses. The figure is how often ' +
    'it is tried within these 2 s; beside it the processor time of the process, in percent of one core, how many of ' +
    'the errors tell that the connection was refused, and how long the callers waited: lightning-pool and pg-pool give ' +
    'up at the first failure and do not wait out the outage. blender-pool is a ConnectionPool; beside it a ResourcePool, ' +
    'which like the peers makes sockets of `node:net`. Peers have their own defaults for trying again.',
  label: 'waiters',
  sizes: [5],
  rounds: { short: 1, full: 3 },
  measures: {
    cpu: { title: 'of a core', unit: 'percent' },
    why: { title: 'told why', unit: 'percent', better: 'more' },
    waited: { title: 'callers waited', unit: 'ms', better: 'more' },
  },
  isolated: true,
  warmUp: false,
  contestants: Object.entries(POOLS).map(([name, open]) => contestant(name, open)),
}

module.exports = { scenario }
