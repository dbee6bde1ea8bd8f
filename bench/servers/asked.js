// @ts-check
'use strict'
// The child's end of ./server.js: says where it listens, answers what it is asked, and ends with its parent.

/**
 * @param {import('node:net').Server} server
 * @param {Record<string, (given: any) => any>} requests
 */
function serveAsked(server, requests) {
  server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
    process.send?.({ listening: port })
  })
  process.on('message', async (/** @type {any} */ { id, request, given }) => {
    const value = await requests[request](given)
    process.send?.({ id, value })
  })
  process.once('disconnect', () => process.exit())
}

module.exports = { serveAsked }
