'use strict'

// Add-ons that close after each reply get a connection for each command, and none in between.

const { PER_REQUEST, code, command } = require('./support/dialects')
const { expectBalanced, faultOf } = require('./support/fault')
const { newPool, rawServer, simulator } = require('./support/stage')

describe.each(PER_REQUEST)('%s', (dialect) => {
  test('has one connection for each command, and no idle socket', async () => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    for (let count = 1; count <= 5; count++) {
      expect(await pool.execute(code(dialect))).toMatchObject({ success: true })
      await server.waitFor(({ open }) => open === 0)
      expect(server.stats().connects).toBe(count)
    }
    await Promise.all(Array.from({ length: 20 }, () => pool.execute(code(dialect))))
    await server.waitFor(({ open }) => open === 0)
    expect(server.stats()).toMatchObject({ connects: 25, answered: 25, violations: [] })
    expectBalanced(pool)
  })

  test('can be held for several commands, each on a connection of its own', async () => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    const connection = await pool.acquire()
    expect(server.stats().connects).toBe(0)
    for (let n = 1; n <= 3; n++) {
      expect(await connection.execute(command(dialect, 'echo', { n }))).toMatchObject({
        result: { n },
      })
    }
    await connection.release()
    await server.waitFor(({ open }) => open === 0)
    expect(server.stats()).toMatchObject({ connects: 3, violations: [] })
  })

  test('never has more connections at a time than the pool may have', async () => {
    const server = await simulator({ dialect, jitterMs: 5 })
    const pool = newPool({ endpoints: server.address, dialect, maxConnections: 3 })
    const calls = Array.from({ length: 30 }, (_, n) =>
      pool.execute(command(dialect, 'echo', { n })),
    )
    const replies = await Promise.all(calls)
    expect(replies.map(({ result }) => result.n)).toEqual(calls.map((_, n) => n))
    expect(server.stats().peakInFlight).toBeLessThanOrEqual(3)
    expectBalanced(pool)
  })
})

test('blender-mcp-pro has one command at a time, for it prints each into the output of the other', async () => {
  const server = await simulator({ dialect: 'blender-mcp-pro' })
  const pool = newPool({ endpoints: server.address, dialect: 'blender-mcp-pro', maxConnections: 5 })
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => pool.execute(code('blender-mcp-pro'))),
  )
  expect(replies.map(({ result }) => result.stdout)).toEqual(replies.map(() => ''))
  expect(server.stats().peakInFlight).toBe(1)
})

test('niua has several at once, for it takes all it has at each beat', async () => {
  const server = await simulator({ dialect: 'niua' })
  const pool = newPool({ endpoints: server.address, dialect: 'niua', maxConnections: 3 })
  const holding = pool.execute('hold')
  await server.waitFor(({ commands }) => commands[0]?.state === 'running')
  const more = [pool.execute('echo'), pool.execute('echo')]
  await server.waitFor(({ inFlight }) => inFlight === 3)
  server.release()
  await Promise.all([holding, ...more])
})

test('niua is told to wait as long as it can, in seconds: the pool’s own deadline is the one that counts', async () => {
  const server = await rawServer((socket) => {
    socket.once('data', () => socket.end('{"ok": true, "result": {}}\n'))
  })
  const pool = newPool({ endpoints: server.address, dialect: 'niua' })
  await pool.execute({ type: 'scene.info', params: { a: 1 } })
  expect(server.bytes.toString()).toBe('{"command":"scene.info","payload":{"a":1},"timeout":600}\n')
})

test.each([
  ['blender-mcp-pro', '\0\0\0\x0f{"status":"ok"}x'],
  ['niua', '{"ok":true,"result":{}}\n{"ok":true}\n'],
])('bytes behind the one reply of %s are nobody’s answer', async (dialect, bytes) => {
  const server = await rawServer((socket) => socket.once('data', () => socket.end(bytes)))
  const pool = newPool({ endpoints: server.address, dialect })
  for (let n = 0; n < 3; n++) {
    await pool.execute('scene').catch(({ code }) => expect(code).toBe('ERR_POOL_PROTOCOL'))
  }
  expect(server.connects).toBe(3)
  expectBalanced(pool)
})

test('a blender-mcp-pro that is no such thing is refused with advice on the option', async () => {
  const server = await simulator({ dialect: 'niua' })
  const pool = newPool({
    endpoints: server.address,
    dialect: 'blender-mcp-pro',
    commandTimeoutMs: 200,
  })
  const { advice } = await faultOf(pool.execute('get_scene_info'), {
    code: 'ERR_POOL_COMMAND_TIMEOUT',
  })
  expect(advice).toMatch(/dialect/)
})
