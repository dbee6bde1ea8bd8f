'use strict'

// What the drop-in modules advise: in words of the module that failed, never in those of the pool or the limiter
// below it, whose settings its callers do not have.

const { ConnectionPool: CallPool } = require('blender-pool/compat/cli-connection-pool')
const { options: poolOptions, optionsOf } = require('../lib/tables')
const { outcome } = require('./support/arena')
const { busy, oldClient, oldPool } = require('./support/compat')
const { afterwards, closedPort, rawServer, simulator } = require('./support/stage')

const DIALECT = 'blender-mcp'

/** What a module's callers can set. */
const SETTINGS = {
  'connection-pool': [
    ...['minConnections', 'maxConnections', 'connectionTimeout', 'idleTimeout'],
    ...['maxRequestsPerConnection', 'healthCheckInterval'],
  ],
  'socket-client': [],
  'cli-connection-pool': [
    ...['maxConnections', 'requestsPerMinute', 'requestsPerSecond', 'queueTimeout'],
    ...['enableDeduplication', 'deduplicationTtl'],
  ],
}

/** What is spelt like nothing but a setting: `start` and `name` are words as well. */
const BELOW = [...poolOptions.keys(), ...optionsOf('Limiter').keys(), 'timeoutMs'].filter((name) =>
  /[A-Z]/.test(name),
)

/** A pool of calls whose one place is taken. */
async function fullPool(options) {
  const pool = new CallPool({ maxConnections: 1, ...options })
  await new Promise((begun) => {
    const held = new Promise((end) => afterwards(() => end()))
    pool.execute(() => {
      begun()
      return held
    })
  })
  return pool
}

/** By module and message: the error, and a word that its advice has to have. */
const FAILURES = [
  [
    'connection-pool',
    'Connection pool timeout - no connections available',
    /connectionTimeout/,
    async () => {
      const pool = oldPool(await simulator({ dialect: DIALECT }), {
        maxConnections: 1,
        connectionTimeout: 1,
      })
      await pool.acquire()
      return pool.acquire()
    },
  ],
  [
    'connection-pool',
    'Response timeout',
    /SOCKET_TIMEOUT/,
    async () => oldPool(await rawServer(() => {}), {}, { timeout: 50 }).execute('ping'),
  ],
  [
    'connection-pool',
    'Connection pool shutting down',
    /Make a new ConnectionPool/,
    async () => {
      const pool = oldPool({ port: await closedPort() })
      await pool.shutdown()
      return pool.execute('ping')
    },
  ],
  [
    'connection-pool',
    /^Failed to create connection: /,
    /Start Blender/,
    async () => oldPool({ port: await closedPort() }).execute('ping'),
  ],
  [
    'connection-pool',
    /^Invalid response structure/,
    /BLENDER_PORT/,
    async () => {
      const server = await rawServer((socket) => socket.on('data', () => socket.write('{"ok":1}')))
      return oldPool(server).execute('ping')
    },
  ],
  [
    'socket-client',
    /^Response timeout/,
    /third argument.*SOCKET_TIMEOUT/,
    async () => oldClient(await rawServer(() => {}), 50).sendCommand('ping'),
  ],
  [
    'socket-client',
    /^Failed to connect to Blender/,
    /Start Blender/,
    async () => oldClient({ port: await closedPort() }).connect(),
  ],
  [
    'socket-client',
    'Connection closed before complete response',
    /disconnected/,
    async () => {
      const server = await simulator({ dialect: DIALECT })
      const client = oldClient(server)
      client.sendCommand('hold').catch(() => {})
      await busy(server)
      const waiting = outcome(client.sendCommand('ping'))
      client.disconnect()
      throw (await waiting).error
    },
  ],
  [
    'socket-client',
    /^Buffer exceeded maximum size/,
    /Ask for less/,
    async () => {
      const server = await simulator({ dialect: DIALECT })
      server.setFaults({ command: 'echo', replyBytes: 50 * 1024 * 1024 + 1, times: 1 })
      return oldClient(server).sendCommand('echo')
    },
  ],
  [
    'cli-connection-pool',
    'Connection pool timeout after 1ms',
    /queueTimeout/,
    async () => (await fullPool({ queueTimeout: 1 })).execute(async () => {}),
  ],
  [
    'cli-connection-pool',
    'Connection pool queue cleared',
    /execute\(\)/,
    async () => {
      const pool = await fullPool()
      const waiting = outcome(pool.execute(async () => {}))
      pool.clearQueue()
      throw (await waiting).error
    },
  ],
  [
    'cli-connection-pool',
    'Connection pool is shutting down',
    /Make a new ConnectionPool/,
    async () => {
      const pool = await fullPool()
      const waiting = outcome(pool.execute(async () => {}))
      pool.shutdown()
      throw (await waiting).error
    },
  ],
]

test.each(FAILURES)('%s: %s', async (module, message, word, fail) => {
  const { advice, message: said } = (await outcome(fail())).error
  expect(said).toEqual(typeof message === 'string' ? message : expect.stringMatching(message))
  expect(advice).toMatch(word)
  const strange = BELOW.filter((name) => !SETTINGS[module].includes(name))
  expect(strange.filter((name) => advice.includes(name))).toEqual([])
  expect(advice).not.toMatch(/[Ll]imiter|\brun\(|\bdialect option/)
})
