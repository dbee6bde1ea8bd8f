// @ts-check
'use strict'
// A pool that sends commands: ours does by itself; with each peer's, a program acquires a client, has it execute
// the command and gives it back.

const { ConnectionPool } = require('../..')
const { POOLS } = require('.')
const { JsonLineClient } = require('./json-line-client')
const { startServer } = require('../servers/server')

/** Which no peer has: a measurement would be one of opening connections. */
const MOST_USES = 2 ** 32 - 1

/**
 * @typedef {{ type: string, params: object }} Command
 *
 * @typedef {object} CommandPool
 * @property {(command: Command) => Promise<any>} execute
 * @property {() => unknown} close
 *
 * @typedef {(server: import('../servers/server').Server, max: number) => Promise<CommandPool>} OpenCommandPool
 */

/** Ours, with all its checks and time limits as they come. @type {OpenCommandPool} */
async function openOurs({ address }, max) {
  const pool = new ConnectionPool({
    endpoints: address,
    dialect: 'worker',
    minConnections: max,
    maxConnections: max,
    maxUses: MOST_USES,
  })
  try {
    await pool.warm()
  } catch (error) {
    await pool.close({ force: true })
    throw error
  }
  return { execute: (command) => pool.execute(command), close: () => pool.close() }
}

/** @param {string} name @returns {OpenCommandPool} */
function openPeer(name) {
  return async (server, max) => {
    const pool = await POOLS[name]({
      max,
      create: () => JsonLineClient.connect(server),
      destroy: (client) => client.destroy(),
    })
    const held = await Promise.all(Array.from({ length: max }, () => pool.acquire()))
    for (const one of held) pool.release(one)
    return {
      async execute(command) {
        const client = await pool.acquire()
        try {
          return await pool.resource(client).execute(command)
        } finally {
          pool.release(client)
        }
      },
      close: () => pool.close(),
    }
  }
}

/**
 * A pool at an echo server of its own.
 * @param {OpenCommandPool} open
 * @param {number} max
 */
async function atItsServer(open, max) {
  const server = await startServer('echo')
  const pool = await open(server, max).catch(async (error) => {
    await server.stop()
    throw error
  })
  const close = async () => {
    await pool.close()
    await server.stop()
  }
  return { server, pool, close }
}

module.exports = { atItsServer, openOurs, openPeer }
