// @ts-check
'use strict'
// A thousand connections that nobody uses: what each keeps in memory, and what they cost per second.

const { setTimeout: after } = require('node:timers/promises')
const { ConnectionPool } = require('../..')
const { JsonLineClient } = require('../peers/json-line-client')
const { POOLS } = require('../peers')
const { collect } = require('../run/rubbish')
const { tcpBuffersKb } = require('../run/kernel-buffers')
const { startServer } = require('../servers/server')

const IDLE_MS = { short: 1_000, full: 10_000 }
/** Open before the first look: what any pool at work has in memory. */
const FEW = 16
/** The memory of the socket's buffers is the kernel's; what the opening has left behind is given back in this time. */
const SETTLE_MS = 300

/** @typedef {import('../servers/server').Server} Server */
/** @typedef {{ grow(to: number): Promise<unknown>, close(): unknown }} Growing */

/** @returns {number} KB */
function residentKb() {
  collect()
  return process.memoryUsage.rss() / 1024
}

/** @param {object} options @returns {(server: Server) => Promise<Growing>} */
function ours(options) {
  return async ({ address }) => {
    const pool = new ConnectionPool({
      endpoints: address,
      dialect: 'worker',
      maxConnections: FEW,
      maxConnecting: FEW,
      ...options,
    })
    return {
      async grow(to) {
        pool.resize({ minConnections: to, maxConnections: to })
        await pool.warm()
      },
      close: () => pool.close(),
    }
  }
}

/** @param {Server} server @returns {Promise<Growing>} */
async function genericPool(server) {
  const pool = await POOLS['generic-pool']({
    max: 1_024,
    create: () => JsonLineClient.connect(server),
    destroy: (client) => client.destroy(),
  })
  return {
    async grow(to) {
      const held = await Promise.all(Array.from({ length: to }, () => pool.acquire()))
      for (const one of held) await pool.release(one)
    },
    close: () => pool.close(),
  }
}

/**
 * @param {string} name
 * @param {(server: Server) => Promise<Growing>} open
 * @returns {import('.').Contestant}
 */
function contestant(name, open) {
  return {
    name,
    async make(count, { full }) {
      const server = await startServer('echo')
      const pool = await open(server)
      await pool.grow(FEW)
      await after(SETTLE_MS)
      const [residentBefore, kernelBefore] = [residentKb(), tcpBuffersKb()]
      await pool.grow(count)
      await server.ask('connected', count)
      await after(SETTLE_MS)
      const more = count - FEW
      const value = (residentKb() - residentBefore) / more
      const kernelKb = (tcpBuffersKb() - kernelBefore) / more
      return {
        async round(round) {
          const ms = round === 0 ? 0 : full ? IDLE_MS.full : IDLE_MS.short
          const { pings } = await server.ask('seen')
          const before = process.cpuUsage()
          const begun = performance.now()
          await after(ms)
          const { user, system } = process.cpuUsage(before)
          const cpu = (user + system) / 10 / Math.max(1, performance.now() - begun)
          const seen = await server.ask('seen')
          if (seen.connections < count) throw new Error(`${seen.connections} of ${count} are left.`)
          return { value, cpu, pings: seen.pings - pings, kernelKb }
        },
        async close() {
          await pool.close()
          await server.stop()
        },
      }
    },
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 11,
  title: '1 000 idle connections, memory of each',
  unit: 'KB',
  reach: [{ atMost: 20 }, { measure: 'cpu', atMost: 0.5 }],
  sides:
    'A pool opens 1 000 connections to a server in a process of its own and nobody uses them. Memory is what the ' +
    `resident memory of the process has grown by since the pool had ${FEW}, after a collection of rubbish, per connection. ` +
    'Processor time is that of the whole process, in percent of one core, over 1 s (long form: 10 s). blender-pool: ' +
    'as it comes, which pings each connection once in 30 to 60 s; with a ping of each every second or two; and with ' +
    'none. The peer: generic-pool with clients of node:net, which checks ' +
    'nothing. What the kernel keeps for sockets counts to no process: its buffers, which an idle connection does not ' +
    'fill, are what /proc/net/sockstat tells of the whole machine, both ends (0 where it does not exist).',
  label: 'connections',
  sizes: [1_000],
  rounds: { short: 1, full: 1 },
  measures: {
    cpu: { title: 'processor time when idle', unit: 'percent' },
    pings: { title: 'pings meanwhile', unit: 'count', aside: true },
    kernelKb: { title: 'kernel buffers of each', unit: 'KB', aside: true },
  },
  isolated: true,
  contestants: [
    contestant('blender-pool', ours({})),
    contestant('blender-pool, pings often', ours({ healthCheckIntervalMs: 1_000 })),
    contestant('blender-pool, no pings', ours({ healthCheckIntervalMs: 0 })),
    contestant('generic-pool', genericPool),
  ],
}

module.exports = { scenario }
