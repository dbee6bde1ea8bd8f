'use strict'

// Each add-on is spoken to as it needs: found out once, in its own envelope, at its own pace, and at
// whatever address it listens.

const { mkdtemp, rm } = require('node:fs/promises')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

const { DIALECTS, FOUND, PER_REQUEST, code, command, inCode } = require('./support/dialects')
const { expectBalanced, expectWorking, faultOf, nextEvent } = require('./support/fault')
const { afterwards, closedPort, newPool, rawServer, simulator } = require('./support/stage')

/** Resolves as soon as an attempt to connect has failed. */
const refused = (pool) =>
  nextEvent(pool, 'connectionClosed', () => pool.stats().connectFailures > 0)

describe("'auto'", () => {
  test.each(FOUND)('finds %s, and asks once', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address })
    expect(pool.endpoints()[0].dialect).toBeNull()
    const replies = await Promise.all(Array.from({ length: 20 }, () => pool.execute(code(dialect))))
    expect(replies.every(({ success }) => success)).toBe(true)
    expect(pool.endpoints()[0].dialect).toBe(dialect)
    expect(pool.stats().endpoints[0].dialect).toBe(dialect)
    const connection = await pool.acquire()
    expect(connection.dialect).toBe(dialect)
    await connection.discard()
    await pool.execute(code(dialect))
    // The probe is the one request that no dialect would make: its type and its command differ.
    const connections = server.stats().connects
    const { created } = pool.stats()
    const perCommand = PER_REQUEST.includes(dialect)
    expect(connections).toBe(1 + (perCommand ? 21 : created))
    expectBalanced(pool)
  })

  test.each([
    ['blender-mcp', 'worker'],
    ['worker', 'blender-mcp'],
    ['blender-mcp-server', 'blender-lab'],
    ['blender-lab', 'blender-mcp-server'],
    ['blender-lab', 'worker'],
    ['category-action', 'blender-mcp-server'],
    ['blender-mcp-server', 'category-action'],
    ['niua', 'worker'],
    ['blender-mcp', 'niua'],
  ])('forgets %s when the endpoint goes down, and finds %s there', async (before, after) => {
    const first = await simulator({ dialect: before })
    const pool = newPool({ endpoints: first.address, commandTimeoutMs: 5_000 })
    expect(await pool.execute(code(before))).toMatchObject({ success: true })
    expect(pool.endpoints()[0].dialect).toBe(before)
    const closed = nextEvent(pool, 'connectionClosed')
    await first.close()
    // One without a socket cannot notice before it is used.
    if (!PER_REQUEST.includes(before)) await closed
    const gone = refused(pool)
    // Blender Lab is still the one that is known, and has no other command.
    const waiting = pool.execute(code(before === 'blender-lab' ? before : after))
    await gone
    const second = await simulator({ dialect: after, port: first.port })
    expect(await waiting).toMatchObject({ status: expect.any(String) })
    expect(pool.endpoints()[0].dialect).toBe(after)
    expect(await pool.execute(code(after))).toMatchObject({ success: true })
    // The probe is no command of category-action, which says so.
    const breaches = second.stats().violations.filter(({ kind }) => kind !== 'badEnvelope')
    expect(breaches).toEqual([])
  })

  test('forgets it on every connection that was at rest, also where none has a socket', async () => {
    const first = await simulator({ dialect: 'blender-lab' })
    const pool = newPool({ endpoints: first.address, commandTimeoutMs: 5_000 })
    const held = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    for (const connection of held) await connection.release()
    await first.close()
    const gone = refused(pool)
    const waiting = pool.execute(code('worker'))
    await gone
    await simulator({ dialect: 'worker', port: first.port })
    expect(await waiting).toMatchObject({ success: true })
    expect(new Set(pool.connections().map(({ dialect }) => dialect))).toEqual(new Set(['worker']))
  })

  test('finds something else that took the place between two commands, after one error at most', async () => {
    const first = await simulator({ dialect: 'blender-mcp' })
    const pool = newPool({ endpoints: first.address, connectTimeoutMs: 300, connectRetryMs: 0 })
    await expectWorking(pool)
    const closed = nextEvent(pool, 'connectionClosed')
    await first.close()
    await closed
    const second = await simulator({ dialect: 'worker', port: first.port })
    await pool.execute(code('worker')).catch(() => {})
    await expectWorking(pool)
    expect(pool.endpoints()[0].dialect).toBe('worker')
    expect(second.stats().answered).toBeGreaterThan(0)
  })

  test('waits out a busy Blender, whose silence says nothing', async () => {
    const server = await simulator({ dialect: 'blender-mcp' })
    const pool = newPool({ endpoints: server.address, connectRetryMs: 10_000 })
    server.freeze()
    const reply = pool.execute(code('blender-mcp'))
    const { error } = await nextEvent(pool, 'connectionClosed')
    expect(error.message).toMatch(/did not answer the dialect probe/)
    server.thaw()
    expect(await reply).toMatchObject({ success: true })
    expect(pool.endpoints()[0].dialect).toBe('blender-mcp')
  })

  test('is asked for each endpoint, and each may be told', async () => {
    const servers = await Promise.all(DIALECTS.map((dialect) => simulator({ dialect })))
    const endpoints = servers.map(({ address, dialect }, at) => ({
      name: dialect,
      address,
      ...(at % 2 || !FOUND.includes(dialect) ? { dialect } : {}),
    }))
    const pool = newPool({ endpoints, maxConnections: 8 })
    for (const { dialect } of servers) {
      const reply = await pool.execute(code(dialect), { endpoint: dialect })
      expect(reply).toMatchObject({ success: true })
    }
    expect(pool.endpoints().map(({ name, dialect }) => [name, dialect])).toEqual(
      DIALECTS.map((name) => [name, name]),
    )
    expectBalanced(pool)
  })
})

describe.each(DIALECTS)('a command in %s', (dialect) => {
  test('brings its result, its error and its output in one form', async () => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    const text = 'aé→𝄞"\\\u0000'
    const reply = await pool.execute(inCode(dialect, 'echo', { text }))
    expect(reply).toMatchObject({ success: true, status: 'success' })
    expect(JSON.stringify(reply.result)).toContain(JSON.stringify(text))
    const failed = await pool.execute(command(dialect, 'fail', { message: text }))
    expect(failed).toMatchObject({ success: false, status: 'error' })
    expect(failed.message).toContain(text)
    await faultOf(pool.execute(command(dialect, 'fail'), { rejectOnError: true }), {
      code: 'ERR_POOL_COMMAND_FAILED',
      delivered: 'yes',
      retryable: false,
      details: { reply: { success: false } },
    })
    expect(server.stats().violations).toEqual([])
    expectBalanced(pool)
  })

  test('without params goes out with an empty object, never with null', async () => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    const { type } = command(dialect, 'echo')
    const commands =
      dialect === 'blender-lab'
        ? [code(dialect)]
        : [type, { type }, { type, params: null }, { type, params: undefined }]
    for (const command of commands) {
      expect(await pool.execute(command)).toMatchObject({ success: true })
    }
    const sent = server.stats().commands.map(({ params }) => params)
    expect(sent).not.toContain(null)
    expect(sent).not.toContain(undefined)
    expect(server.stats().violations).toEqual([])
  })

  test('keeps its manners in a crowd of commands, holders and discards', async () => {
    const server = await simulator({ dialect, beatMs: 1, jitterMs: 3 })
    const pool = newPool({ endpoints: server.address, dialect, maxConnections: 4 })
    const work = Array.from({ length: 60 }, async (_, at) => {
      if (at % 6 === 0) {
        const connection = await pool.acquire()
        const reply = await connection.execute(inCode(dialect, 'echo', { at }))
        await (at % 12 === 0 ? connection.discard() : connection.release())
        return reply
      }
      return pool.execute(inCode(dialect, 'echo', { at }))
    })
    const replies = await Promise.all(work)
    replies.forEach((reply, at) => {
      expect(JSON.stringify(reply.result)).toContain(`"at":${at}}`)
    })
    const { violations, lost } = server.stats()
    expect(violations).toEqual([])
    expect(lost).toBe(0)
    expectBalanced(pool)
  })
})

describe('blender-mcp', () => {
  test('never sees a byte beyond ASCII, nor a NUL', async () => {
    const server = await rawServer((socket) => {
      socket.on('data', () => socket.write('{"status":"success","result":{}}'))
    })
    const pool = newPool({ endpoints: server.address, dialect: 'blender-mcp' })
    const odd = 'aé→𝄞\u0000\u007f\u0080\ud800'
    await pool.execute({ type: `type ${odd}`, params: { [`key ${odd}`]: [odd, { odd }] } })
    await pool.use((connection) => connection.execute({ type: 'print', params: { odd } }))
    expect([...server.bytes].filter((byte) => byte < 0x20 || byte > 0x7f)).toEqual([])
    expect(server.bytes.toString()).toContain('\\ud834\\udd1e')
  })

  test('gets one connect at a time, each followed by a round trip', async () => {
    const server = await simulator({ dialect: 'blender-mcp' })
    const pool = newPool({ endpoints: server.address, dialect: 'blender-mcp', maxConnections: 5 })
    const story = []
    server.on(({ event, socket }) => {
      if (['connect', 'answered'].includes(event)) story.push(`${event} ${socket}`)
    })
    const connections = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()))
    expect(story).toEqual(
      [1, 2, 3, 4, 5].flatMap((number) => [`connect ${number}`, `answered ${number}`]),
    )
    await Promise.all(connections.map((connection) => connection.release()))
    expect(server.stats().violations).toEqual([])
  })

  test('runs one command at a time, whoever holds what', async () => {
    const server = await simulator({ dialect: 'blender-mcp' })
    const pool = newPool({ endpoints: server.address, dialect: 'blender-mcp' })
    const held = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    const work = held.flatMap((connection) => [
      connection.execute('ping'),
      connection.execute('ping'),
    ])
    await Promise.all([...work, ...Array.from({ length: 20 }, () => pool.execute('ping'))])
    expect(server.stats().peakInFlight).toBe(1)
    await Promise.all(held.map((connection) => connection.release()))
    expectBalanced(pool)
  })

  test('is neither dialled nor left while a command runs', async () => {
    const server = await simulator({ dialect: 'blender-mcp' })
    const pool = newPool({ endpoints: server.address, dialect: 'blender-mcp' })
    const spare = await pool.acquire()
    const hold = pool.execute(inCode('blender-mcp', 'hold'))
    await server.waitFor(({ commands }) =>
      commands.some(({ command, state }) => command === 'execute_code' && state === 'running'),
    )
    const before = server.stats()
    await spare.discard()
    const more = [pool.acquire(), pool.acquire(), pool.acquire()]
    // Whoever dialled or closed now would be seen by the time the server has answered somebody else.
    await expectNothingMoves(server, before)
    server.release()
    expect((await hold).result.result).toBe('')
    for (const connection of await Promise.all(more)) await connection.release()
    expect(server.stats().violations).toEqual([])
  })
})

describe('blender-lab', () => {
  test('never has an idle socket, and one connection for each command', async () => {
    const server = await simulator({ dialect: 'blender-lab' })
    const pool = newPool({ endpoints: server.address, dialect: 'blender-lab' })
    for (let count = 1; count <= 10; count++) {
      expect(await pool.execute(code('blender-lab'))).toMatchObject({ success: true })
      await server.waitFor(({ open }) => open === 0)
      expect(server.stats().connects).toBe(count)
    }
    await Promise.all(Array.from({ length: 20 }, () => pool.execute(code('blender-lab'))))
    await server.waitFor(({ open }) => open === 0)
    expect(server.stats()).toMatchObject({ connects: 30, peakInFlight: 1, violations: [] })
  })

  test('can be held for several commands, without a socket between them', async () => {
    const server = await simulator({ dialect: 'blender-lab' })
    const pool = newPool({ endpoints: server.address, dialect: 'blender-lab' })
    const connection = await pool.acquire()
    expect(server.stats().connects).toBe(0)
    for (let count = 1; count <= 5; count++) {
      expect(await connection.execute(inCode('blender-lab', 'echo', { count }))).toMatchObject({
        result: { count },
      })
      await server.waitFor(({ open }) => open === 0)
    }
    const both = [connection.execute(code('blender-lab')), connection.execute(code('blender-lab'))]
    expect((await Promise.all(both)).map(({ success }) => success)).toEqual([true, true])
    expect(connection.id).toBe(1)
    await connection.release()
    expect(server.stats()).toMatchObject({ connects: 7, violations: [] })
    expectBalanced(pool)
  })

  test('that is gone says so in the event as well as in the error', async () => {
    const pool = newPool({
      endpoints: `127.0.0.1:${await closedPort()}`,
      dialect: 'blender-lab',
      connectRetryMs: 0,
    })
    const closed = nextEvent(pool, 'connectionClosed')
    const fault = { code: 'ERR_POOL_CONNECT', delivered: 'no', cause: { code: 'ECONNREFUSED' } }
    await faultOf(pool.execute(code('blender-lab')), fault)
    const { reason, error } = await closed
    expect(reason).toBe('error')
    await faultOf(Promise.reject(error), fault)
    expectBalanced(pool)
  })

  test('in background, where one idle socket would block all, serves a crowd', async () => {
    const server = await simulator({ dialect: 'blender-lab', background: true })
    const pool = newPool({ endpoints: server.address })
    const replies = await Promise.all(
      Array.from({ length: 30 }, (_, at) => pool.execute(inCode('blender-lab', 'echo', { at }))),
    )
    expect(replies.map(({ result }) => result.at)).toEqual(
      Array.from({ length: 30 }, (_, at) => at),
    )
    expect(server.stats().violations).toEqual([])
  })
})

describe('an address', () => {
  test.each([
    ['IPv4', '127.0.0.1'],
    ['IPv6', '::1'],
  ])('localhost finds a listener on %s only', async (_family, host) => {
    const server = await simulator({ dialect: 'worker', host })
    for (const endpoints of [
      `localhost:${server.port}`,
      { port: server.port },
      { host: 'LOCALHOST', port: server.port },
    ]) {
      const pool = newPool({ endpoints })
      await expectWorking(pool)
    }
  })

  test('may be host:port, tcp://, an object, a list, or a Unix socket', async () => {
    const server = await simulator({ dialect: 'worker' })
    const directory = await mkdtemp(join(tmpdir(), 'blender-pool-'))
    afterwards(() => rm(directory, { recursive: true }))
    const path = join(directory, 'blender.sock')
    const local = await simulator({ dialect: 'worker', path })
    const { port } = server
    const places = [
      `127.0.0.1:${port}`,
      `tcp://127.0.0.1:${port}`,
      `tcp://localhost:${port}/`,
      `[::ffff:127.0.0.1]:${port}`,
      [`127.0.0.1:${port}`],
      { host: '127.0.0.1', port },
      { address: `127.0.0.1:${port}`, name: 'studio' },
      `unix:${path}`,
      `unix://${path}`,
      { path },
      { address: `unix:${path}`, name: 'studio' },
    ]
    for (const endpoints of places) {
      const pool = newPool({ endpoints, dialect: 'worker' })
      await expectWorking(pool)
      await pool.close()
    }
    expect([server, local].map((each) => each.stats().answered)).toEqual([14, 8])
  })

  test.each(FOUND)('may be a Unix socket of %s, found by auto', async (dialect) => {
    const directory = await mkdtemp(join(tmpdir(), 'blender-pool-'))
    afterwards(() => rm(directory, { recursive: true }))
    const server = await simulator({ dialect, path: join(directory, 'blender.sock') })
    const pool = newPool({ endpoints: server.address })
    expect(await pool.execute(code(dialect))).toMatchObject({ success: true })
    expect(pool.endpoints()[0]).toMatchObject({ dialect, address: server.address })
  })

  test('has a name, and a call that names it goes nowhere else', async () => {
    const [desktop, farm] = [
      await simulator({ dialect: 'worker' }),
      await simulator({ dialect: 'blender-mcp' }),
    ]
    const pool = newPool({
      endpoints: [
        { name: 'desktop', address: desktop.address },
        { name: 'farm', address: farm.address, maxConnections: 2 },
      ],
    })
    const echoes = (server) =>
      server.stats().commands.filter(({ command }) => command === 'echo').length
    const call = (endpoint) => pool.execute({ type: 'echo', params: { endpoint } }, { endpoint })
    const replies = await Promise.all(
      Array.from({ length: 30 }, (_, at) => call(at % 3 ? 'farm' : 'desktop')),
    )
    expect(
      replies.every(({ result }, at) => result.endpoint === (at % 3 ? 'farm' : 'desktop')),
    ).toBe(true)
    expect([desktop, farm].map(echoes)).toEqual([10, 20])
    const connection = await pool.acquire({ endpoint: 'farm' })
    expect(connection).toMatchObject({ endpoint: 'farm', dialect: 'blender-mcp' })
    await connection.release()
    expect(pool.tryAcquire({ endpoint: 'desktop' })).toMatchObject({ endpoint: 'desktop' })
    expect(farm.stats().peak).toBeLessThanOrEqual(2)
    expect(farm.stats().violations).toEqual([])
  })

  test('that is down fails calls to it, while those for anywhere go to another', async () => {
    const server = await simulator({ dialect: 'worker' })
    const down = await closedPort()
    const pool = newPool({
      endpoints: [
        { name: 'down', port: down },
        { name: 'up', address: server.address },
      ],
      connectRetryMs: 200,
    })
    const calls = Array.from({ length: 20 }, (_, at) =>
      pool.execute({ type: 'echo', params: { at } }),
    )
    const failing = faultOf(pool.execute('ping', { endpoint: 'down' }), {
      code: 'ERR_POOL_CONNECT',
      endpoint: 'down',
      cause: { code: 'ECONNREFUSED' },
    })
    expect((await Promise.all(calls)).map(({ result }) => result.at)).toEqual(
      calls.map((_, at) => at),
    )
    await failing
    await expectWorking(pool)
  })
})

/** A second connection's ping answered: whatever the pool had sent before it has arrived by then. */
async function expectNothingMoves(server, before) {
  const witness = await simulator({ dialect: 'worker' })
  const pool = newPool({ endpoints: witness.address, dialect: 'worker' })
  for (let round = 0; round < 20; round++) await pool.execute('ping')
  const { connects, open } = server.stats()
  expect({ connects, open }).toEqual({ connects: before.connects, open: before.open })
}
