'use strict'

/**
 * A port on which nothing listens. It is taken from below the range that systems give to outgoing
 * connections and to "any free port": from that range a test running beside this one could get it, and
 * a client that dials it again and again would one day be connected with itself.
 */

const net = require('node:net')

const [LOWEST, HIGHEST] = [20_000, 32_000]

async function quietPort() {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
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

module.exports = { quietPort }
