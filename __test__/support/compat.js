'use strict'

// What the tests of the drop-in modules put up: old-style pools and clients for a server, and what the
// process was warned of. All of it is taken down after the test.

const { BlenderSocketClient } = require('../../compat/socket-client')
const { ConnectionPool } = require('../../compat/connection-pool')
const { afterwards } = require('./stage')

const NAMES = ['BLENDER_HOST', 'BLENDER_PORT', 'SOCKET_TIMEOUT']

/** Sets these variables, and no other of those that the modules read, until the test is over. */
function environment(values) {
  for (const name of NAMES) {
    const before = process.env[name]
    if (values[name] === undefined) delete process.env[name]
    else process.env[name] = String(values[name])
    afterwards(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
}

/** A pool as the old servers made it: its server is the environment's. */
function oldPool({ port }, config, { timeout } = {}) {
  environment({ BLENDER_HOST: '127.0.0.1', BLENDER_PORT: port, SOCKET_TIMEOUT: timeout })
  const pool = new ConnectionPool(config)
  afterwards(() => pool.shutdown())
  return pool
}

function oldClient({ port }, timeout) {
  const client = new BlenderSocketClient('127.0.0.1', port, timeout)
  afterwards(() => client.disconnect())
  return client
}

/** Resolves once a `hold` keeps the server's Blender busy. */
function busy(server) {
  const holds = ({ command, state }) => command === 'hold' && state === 'running'
  return server.waitFor(({ commands }) => commands.some(holds))
}

/** The messages of the process warnings from now on. */
function warnings() {
  const heard = []
  const spy = jest.spyOn(process, 'emitWarning').mockImplementation((message, { type }) => {
    heard.push([type, message])
  })
  afterwards(() => spy.mockRestore())
  return heard
}

module.exports = { busy, environment, oldClient, oldPool, warnings }
