// @ts-check
'use strict'
// The health check of pools that are written by hand: each connection is pinged, and the next one when it has answered.

const { JsonLineClient } = require('./json-line-client')

/**
 * @param {import('../servers/server').Server} server
 * @param {number} count
 * @returns {Promise<{ round(): Promise<void>, close(): void }>}
 */
async function oneByOneHealth(server, count) {
  const clients = await Promise.all(
    Array.from({ length: count }, () => JsonLineClient.connect(server)),
  )
  return {
    async round() {
      for (const client of clients) {
        const { status } = await client.execute({ type: 'ping', params: {} })
        if (status !== 'success') throw new Error(`A ping was answered with ${status}.`)
      }
    },
    close() {
      for (const client of clients) client.destroy()
    },
  }
}

module.exports = { oneByOneHealth }
