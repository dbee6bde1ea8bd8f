'use strict'

// A gate on the way of Python code: the test knows when the code has come to it, and lets it go on.
// So a command is held in the middle for exactly as long as a test needs, without a clock.

const { once } = require('node:events')
const net = require('node:net')
const { afterwards } = require('./stage')

async function gate() {
  const held = new Set()
  const server = net.createServer((socket) => {
    held.add(socket)
    socket.on('close', () => held.delete(socket))
    socket.on('error', () => {})
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const open = () => {
    for (const socket of held) socket.destroy()
  }
  afterwards(() => {
    open()
    server.close()
  })
  const { port } = server.address()
  return {
    /** Python that comes to the gate, and waits there. */
    code: [
      'import socket',
      `with socket.create_connection(("127.0.0.1", ${port})) as gate:`,
      '    gate.recv(1)',
    ].join('\n'),
    /** Resolves when code waits at the gate. */
    reached: async () => {
      if (held.size === 0) await once(server, 'connection')
    },
    /** Lets go what waits. */
    open,
  }
}

module.exports = { gate }
