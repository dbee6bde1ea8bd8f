'use strict'

// The old pool's public face over this package's pool: what servers call, what they get, and what used to
// go wrong.

const {
  ConnectionPool,
  MutexTimeoutError,
  getConnectionPool,
} = require('blender-pool/compat/connection-pool')
const { PoolError } = require('..')
const { eventually, outcome, turn } = require('./support/arena')
const { busy, environment, oldPool, warnings } = require('./support/compat')
const { afterwards, closedPort, rawServer, simulator } = require('./support/stage')

/** The add-on of the servers that used the old pool. */
const DIALECT = 'blender-mcp'
const numbers = (count) => Array.from({ length: count }, (_, n) => n)

describe('connections', () => {
  test('concurrent acquires get different ones', async () => {
    const pool = oldPool(await simulator({ dialect: DIALECT }), { maxConnections: 2 })
    const [first, second] = await Promise.all([pool.acquire(), pool.acquire()])
    expect([first.id, second.id].sort()).toEqual(['conn-1', 'conn-2'])
    expect([first.inUse, second.inUse]).toEqual([true, true])
    expect(pool.getStats()).toEqual({
      totalConnections: 2,
      activeConnections: 2,
      idleConnections: 0,
      pendingRequests: 0,
      totalRequests: 0,
    })
  })

  test('one that is released while another acquires is handed over', async () => {
    const pool = oldPool(await simulator({ dialect: DIALECT }), { maxConnections: 1 })
    const first = await pool.acquire()
    const waiting = pool.acquire()
    await turn()
    expect(pool.getStats().pendingRequests).toBe(1)
    await pool.release(first)
    const second = await waiting
    expect(second.id).toBe(first.id)
    expect(second.inUse).toBe(true)
    expect(pool.getStats()).toMatchObject({ totalConnections: 1, pendingRequests: 0 })
  })

  test('say how old they are and how often they were used', async () => {
    const pool = oldPool(await simulator({ dialect: DIALECT }), { maxConnections: 1 })
    const begun = Date.now()
    const connection = await pool.acquire()
    expect(connection).toEqual({
      id: 'conn-1',
      inUse: true,
      createdAt: expect.any(Number),
      lastUsedAt: expect.any(Number),
      requestCount: 0,
    })
    expect(connection.lastUsedAt).toBeGreaterThanOrEqual(begun)
    await pool.release(connection)
    expect(connection).toMatchObject({ inUse: false, requestCount: 1 })
    await pool.acquire()
    await pool.release(connection)
    expect(connection).toMatchObject({ inUse: false, requestCount: 2 })
    expect(pool.getStats().totalRequests).toBe(2)
  })

  test('go to those who wait in the order in which they came', async () => {
    const pool = oldPool(await simulator({ dialect: DIALECT }), { maxConnections: 1 })
    const connection = await pool.acquire()
    const order = []
    const waiting = numbers(3).map((n) => pool.acquire().then(() => order.push(n)))
    // As the old tests do: through the one object, whoever holds it by now.
    for (const _ of waiting) await pool.release(connection)
    await Promise.all(waiting)
    expect(order).toEqual([0, 1, 2])
  })

  test('one that nobody holds is released with a warning and no more', async () => {
    const heard = warnings()
    const pool = oldPool(await simulator({ dialect: DIALECT }))
    const connection = await pool.acquire()
    await pool.release(connection)
    await pool.release(connection)
    await pool.release({ id: 'fake-conn', inUse: true })
    await pool.release(undefined)
    expect(heard).toEqual(
      ['conn-1', 'fake-conn', 'undefined'].map((id) => [
        'BlenderPoolWarning',
        `Attempted to release unknown connection ${id}`,
      ]),
    )
    expect(pool.getStats()).toMatchObject({ activeConnections: 0, totalRequests: 1 })
  })

  test('one whose Blender has gone gives its place back all the same', async () => {
    const server = await simulator({ dialect: DIALECT })
    const pool = oldPool(server, { maxConnections: 1 })
    const lost = await pool.acquire()
    await server.restart()
    // Nobody knows before the news of it has come.
    await eventually(() => pool.getStats().totalConnections === 0)
    await pool.release(lost)
    expect(lost.inUse).toBe(false)
    const next = await pool.acquire()
    expect(next.id).not.toBe(lost.id)
    await pool.release(next)
    expect(await pool.execute('ping')).toMatchObject({ status: 'success' })
  })
})

describe('commands', () => {
  test('of many callers never need more than the allowed connections, and each gets its own answer', async () => {
    const server = await simulator({ dialect: DIALECT, beatMs: 0, jitterMs: 2 })
    const pool = oldPool(server, { maxConnections: 4 })
    const replies = await Promise.all(numbers(300).map((n) => pool.execute('echo', { n })))
    expect(replies).toEqual(numbers(300).map((n) => ({ status: 'success', result: { n } })))
    expect(server.stats().peak).toBeLessThanOrEqual(4)
    expect(server.stats().violations).toEqual([])
    expect(pool.getStats()).toMatchObject({
      activeConnections: 0,
      pendingRequests: 0,
      totalRequests: 300,
    })
  })

  test('over one connection are not written into each other', async () => {
    const server = await simulator({ dialect: DIALECT })
    const pool = oldPool(server, { maxConnections: 1 })
    const long = 'é→𝄞'.repeat(20_000)
    const replies = await Promise.all([
      pool.execute('echo', { long }),
      pool.execute('echo', { short: 'é' }),
    ])
    expect(replies.map(({ success }) => success)).toEqual([true, true])
    expect(replies.map(({ result }) => result)).toEqual([{ long }, { short: 'é' }])
    expect(server.stats().violations).toEqual([])
  })

  test('that fail in Blender resolve, in the words of the add-on', async () => {
    const pool = oldPool(await simulator({ dialect: DIALECT }))
    const reply = await pool.execute('fail', { message: 'Object not found' })
    expect(reply).toEqual({ status: 'error', message: 'Object not found' })
    expect(reply.success).toBe(false)
  })

  test('have whatever the add-on sends beside', async () => {
    const server = await rawServer((socket) =>
      socket.on('data', () => socket.write('{"status":"success","result":null,"took":3}')),
    )
    const pool = oldPool(server)
    expect(await pool.execute('render')).toEqual({ status: 'success', result: null, took: 3 })
  })

  test.each(['worker', 'blender-mcp-server'])('are answered the same by a %s', async (dialect) => {
    const pool = oldPool(await simulator({ dialect }))
    expect(await pool.execute('echo', { n: 1 })).toEqual({ status: 'success', result: { n: 1 } })
    expect(await pool.execute('fail', { message: 'no' })).toMatchObject({
      status: 'error',
      message: 'no',
    })
  })

  test('are sent as JSON.stringify writes them', async () => {
    const pool = oldPool(await simulator({ dialect: DIALECT }))
    const at = new Date(0)
    const { result } = await pool.execute('echo', {
      at,
      nan: Number.NaN,
      skip() {},
      map: new Map(),
    })
    expect(result).toEqual({ at: at.toJSON(), nan: null, map: {} })
    expect(await pool.execute('ping', null)).toMatchObject({ status: 'success' })
  })

  test('whose replies come in pieces are read whole', async () => {
    const server = await simulator({ dialect: DIALECT })
    server.setFaults({ command: 'echo', splitAt: 'each' })
    const pool = oldPool(server)
    expect((await pool.execute('echo', { text: 'é→𝄞' })).result).toEqual({ text: 'é→𝄞' })
  })

  test('wait for a busy Blender longer than for a place', async () => {
    const server = await simulator({ dialect: DIALECT })
    const pool = oldPool(server, { maxConnections: 2, connectionTimeout: 1 })
    await pool.execute('ping')
    const holding = pool.execute('hold')
    await busy(server)
    const behind = pool.execute('echo', { n: 1 })
    // This one has no place, and is refused while the others wait.
    await expect(pool.execute('echo', { n: 2 })).rejects.toThrow('Connection pool timeout')
    server.release()
    expect(await holding).toMatchObject({ status: 'success' })
    expect((await behind).result).toEqual({ n: 1 })
  })
})

describe('trouble', () => {
  test('without a place in time is told in the old words, with what the pool knows beside', async () => {
    const pool = oldPool(await simulator({ dialect: DIALECT }), {
      maxConnections: 1,
      connectionTimeout: 1,
    })
    await pool.acquire()
    const { error } = await outcome(pool.execute('ping'))
    expect(error.message).toBe('Connection pool timeout - no connections available')
    expect(String(error)).toBe(`Error: ${error.message}`)
    expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no' })
    expect(error.advice).not.toBe('')
    expect(error.cause).toBeInstanceOf(PoolError)
  })

  test('of a waiter that gave up never blocks the pool: 1 000 rounds', async () => {
    const pool = oldPool(await simulator({ dialect: DIALECT }), {
      maxConnections: 1,
      connectionTimeout: 1,
      mutexTimeout: 1,
    })
    let connection = await pool.acquire()
    for (let round = 0; round < 1_000; round++) {
      const { error } = await outcome(pool.acquire())
      if (error === undefined) throw new Error(`round ${round} had two holders`)
      await pool.release(connection)
      connection = await pool.acquire()
    }
    await pool.release(connection)
    expect(await pool.execute('ping')).toMatchObject({ status: 'success' })
    expect(pool.getStats()).toMatchObject({ activeConnections: 0, pendingRequests: 0 })
  })

  test('without a Blender is told at once, leaks nothing, and is over when there is one', async () => {
    const port = await closedPort()
    const pool = oldPool({ port }, { maxConnections: 2 })
    const outcomes = await Promise.all(numbers(50).map(() => outcome(pool.acquire())))
    const { error } = outcomes[0]
    expect(new Set(outcomes.map((each) => each.error.message))).toEqual(
      new Set([
        `Failed to create connection: Failed to connect to Blender: connect ECONNREFUSED 127.0.0.1:${port}`,
      ]),
    )
    expect(error).toMatchObject({ code: 'ERR_POOL_CONNECT', delivered: 'no', retryable: true })
    expect(error.cause.cause).toMatchObject({ code: 'ECONNREFUSED' })
    expect(pool.getStats()).toMatchObject({ totalConnections: 0, pendingRequests: 0 })

    await simulator({ dialect: DIALECT, port })
    const held = await Promise.all([pool.acquire(), pool.acquire()])
    for (const connection of held) await pool.release(connection)
    expect(await pool.execute('ping')).toMatchObject({ status: 'success' })
  })

  test('that passes is got over: every call after it is served', async () => {
    const server = await simulator({ dialect: DIALECT })
    server.setFaults({ refuse: 'reset', times: 3 })
    const pool = oldPool(server, { maxConnections: 2, minConnections: 0 })
    while ((await outcome(pool.execute('ping'))).error !== undefined);
    expect(server.stats().refused).toBe(3)
    const replies = await Promise.all(numbers(20).map((n) => pool.execute('echo', { n })))
    expect(replies.map(({ result }) => result.n)).toEqual(numbers(20))
    await server.restart()
    await eventually(() => pool.getStats().totalConnections === 0)
    expect(await pool.execute('ping')).toMatchObject({ status: 'success' })
  })

  test.each([
    ['silence', { silence: true }, 'Response timeout', 'ERR_POOL_COMMAND_TIMEOUT'],
    ['a cut', { truncate: 9 }, 'Connection closed', 'ERR_POOL_PROTOCOL'],
    ['an end', { truncate: 0 }, 'Connection closed', 'ERR_POOL_CONNECTION_LOST'],
    ['a reset', { reset: 'afterRun' }, 'Connection closed', 'ERR_POOL_CONNECTION_LOST'],
  ])('in a reply (%s) is told in the old words, and the next command is served', async (_what, fault, message, code) => {
    const server = await simulator({ dialect: DIALECT })
    server.setFaults({ command: 'echo', times: 1, ...fault })
    const pool = oldPool(server, {}, { timeout: 1_000 })
    const { error } = await outcome(pool.execute('echo'))
    expect(error.message).toBe(message)
    expect(error).toMatchObject({ code, cause: { code } })
    expect(error.delivered).not.toBe('no')
    expect((await pool.execute('echo', { n: 1 })).result).toEqual({ n: 1 })
  })

  test.each([
    ['no status', '{"foo":"bar"}', '{"foo":"bar"}'],
    ['another status', '{"status":"maybe"}', '{"status":"maybe"}'],
    [
      'a message that is no text',
      '{"status":"error","message":5}',
      '{"status":"error","message":5}',
    ],
    ['a list', '[1]', '[1]'],
    ['a text', '"it\'s"', '"it\'s"'],
    ['no JSON', 'hello', 'hello'],
    [
      'much of it',
      `{"status":"odd","said":"${'x'.repeat(300)}"}`,
      `{"status":"odd","said":"${'x'.repeat(176)}...`,
    ],
  ])('with a reply that is none (%s) shows it', async (_what, reply, shown) => {
    const pool = oldPool(await rawServer((socket) => socket.on('data', () => socket.write(reply))))
    const { error } = await outcome(pool.execute('get_scene_info'))
    expect(error.message).toBe(
      `Invalid response structure from Blender. Expected BlenderSocketResponse with status field, got: ${shown}`,
    )
    expect(error).toMatchObject({ code: 'ERR_POOL_PROTOCOL', delivered: 'yes' })
  })

  test('with params that are no JSON is the old TypeError', async () => {
    const pool = oldPool(await simulator({ dialect: DIALECT }))
    const params = {}
    params.self = params
    await expect(pool.execute('echo', params)).rejects.toThrow(TypeError)
    await expect(pool.execute('echo', { n: 1n })).rejects.toThrow(TypeError)
    expect(pool.getStats().activeConnections).toBe(0)
  })
})

describe('a server that says nothing of itself', () => {
  test('is sent the callers’ commands and nothing else', async () => {
    const server = await rawServer((socket, number) => {
      // The first connection is the question that it does not answer.
      if (number > 1) socket.on('data', () => socket.write('{"status":"success"}'))
    })
    const pool = oldPool(server, { maxConnections: 2, minConnections: 0 })
    const [first, second] = await Promise.all([pool.acquire(), pool.acquire()])
    expect(second.id).not.toBe(first.id)
    await pool.release(first)
    const asked = server.bytes.length
    expect(await pool.execute('render', { samples: 1 })).toEqual({ status: 'success' })
    expect(server.bytes.subarray(asked).toString()).toBe('{"type":"render","params":{"samples":1}}')
  })

  test('times out as it used to', async () => {
    const pool = oldPool(await rawServer(() => {}), { maxConnections: 1 }, { timeout: 100 })
    const connection = await pool.acquire()
    await pool.release(connection)
    await expect(pool.execute('ping')).rejects.toThrow('Response timeout')
    expect(pool.getStats()).toMatchObject({ activeConnections: 0, pendingRequests: 0 })
  })
})

describe('shutdown', () => {
  test('sends away who waits and who comes, and leaves nothing open', async () => {
    const server = await simulator({ dialect: DIALECT })
    const pool = oldPool(server, { maxConnections: 1 })
    const held = await pool.acquire()
    const waiting = [outcome(pool.acquire()), outcome(pool.execute('ping'))]
    await pool.shutdown()
    const late = [outcome(pool.acquire()), outcome(pool.execute('ping'))]
    for (const { error } of await Promise.all([...waiting, ...late])) {
      expect(error.message).toBe('Connection pool shutting down')
      expect(error).toMatchObject({ code: 'ERR_POOL_CLOSED', delivered: 'no' })
    }
    expect(held.inUse).toBe(false)
    expect(pool.getStats()).toMatchObject({ totalConnections: 0, activeConnections: 0 })
    await server.waitFor(({ open }) => open === 0)
    await expect(pool.shutdown()).resolves.toBeUndefined()
  })

  test('lets what runs finish, and meanwhile refuses who comes', async () => {
    const server = await simulator({ dialect: DIALECT })
    const pool = oldPool(server, { maxConnections: 1 })
    await pool.execute('ping')
    const running = pool.execute('hold')
    await busy(server)
    const ending = pool.shutdown()
    await expect(pool.execute('ping')).rejects.toThrow('Connection pool shutting down')
    server.release()
    expect(await running).toMatchObject({ status: 'success' })
    await ending
  })

  test('of a pool that nobody used, and in the middle of the first contact', async () => {
    const pool = oldPool({ port: await closedPort() })
    await pool.shutdown()
    const silent = oldPool(await rawServer(() => {}))
    const acquiring = outcome(silent.acquire())
    await turn()
    await silent.shutdown()
    expect((await acquiring).error.message).toBe('Connection pool shutting down')
  })
})

describe('settings', () => {
  test.each([
    [undefined],
    [null],
    [{}],
    [{ maxConnections: undefined, connectionTimeout: undefined }],
    [{ minConnections: 0, maxConnections: 0, connectionTimeout: 0, idleTimeout: 0 }],
    [{ maxRequestsPerConnection: 0, healthCheckInterval: 0, mutexTimeout: 0 }],
    [
      {
        minConnections: Infinity,
        maxConnections: Infinity,
        connectionTimeout: Infinity,
        idleTimeout: Infinity,
        maxRequestsPerConnection: Infinity,
        healthCheckInterval: Infinity,
        mutexTimeout: Infinity,
      },
    ],
    [{ minConnections: -1, maxConnections: -1, connectionTimeout: -1, idleTimeout: -1 }],
    [{ minConnections: 9, maxConnections: 2.5, connectionTimeout: 0.1, idleTimeout: 1e12 }],
    [{ maxConnections: Number.NaN, idleTimeout: Number.NaN, healthCheckInterval: Number.NaN }],
    [{ maxConnections: '3', connectionTimeout: '50' }],
  ])('%p are accepted, and work', async (config) => {
    const pool = oldPool(await simulator({ dialect: DIALECT }), config)
    expect(await pool.execute('ping')).toMatchObject({ status: 'success' })
    await pool.release(await pool.acquire())
  })

  test('that nobody knows are told of once, with the one that may be meant', async () => {
    const heard = warnings()
    const server = await simulator({ dialect: DIALECT })
    oldPool(server, { maxConnection: 3 })
    oldPool(server, { maxConnection: 3 })
    expect(heard).toEqual([
      [
        'BlenderPoolWarning',
        'ConnectionPool has no setting maxConnection; it is ignored. Did you mean maxConnections?',
      ],
    ])
  })

  test('of the environment are read when the pool is made', async () => {
    const [first, second] = [
      await simulator({ dialect: DIALECT }),
      await simulator({ dialect: DIALECT }),
    ]
    const pools = [oldPool(first), oldPool(second)]
    environment({ BLENDER_PORT: await closedPort() })
    await Promise.all(pools.map((pool) => pool.execute('ping')))
    for (const server of [first, second]) {
      expect(server.stats().commands.at(-1)).toMatchObject({ command: 'ping', state: 'answered' })
    }
  })

  test('of the environment that are no numbers are as good as none, and a port that cannot be is refused', () => {
    environment({ BLENDER_PORT: 'nine', SOCKET_TIMEOUT: 'long' })
    const pool = new ConnectionPool({ minConnections: 0 })
    afterwards(() => pool.shutdown())
    environment({ BLENDER_PORT: 99_999 })
    expect(() => new ConnectionPool()).toThrow(/port is 99999/)
  })

  test('another machine is allowed, and warned of once', async () => {
    const heard = warnings()
    const { port } = await simulator({ dialect: DIALECT, host: '0.0.0.0' })
    for (const _ of [1, 2]) {
      environment({ BLENDER_HOST: '0.0.0.0', BLENDER_PORT: port })
      const pool = new ConnectionPool()
      afterwards(() => pool.shutdown())
      expect(await pool.execute('ping')).toMatchObject({ status: 'success' })
    }
    expect(heard).toEqual([
      ['BlenderPoolWarning', expect.stringContaining(`0.0.0.0:${port} is not on this machine`)],
    ])
  })
})

test('the process has one pool of its own', async () => {
  environment({ BLENDER_PORT: await closedPort() })
  const pool = getConnectionPool()
  afterwards(() => pool.shutdown())
  expect(pool).toBeInstanceOf(ConnectionPool)
  expect(getConnectionPool()).toBe(pool)
})

test('the old error of the lock is still a class', () => {
  const error = new MutexTimeoutError('acquire', 30_000)
  expect(error).toBeInstanceOf(Error)
  expect(error.name).toBe('MutexTimeoutError')
  expect(error.message).toBe('Mutex acquisition timeout after 30000ms during acquire')
})
