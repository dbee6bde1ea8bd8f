'use strict'

const { once } = require('node:events')
const { inspect } = require('node:util')

const { PoolError } = require('..')
const { startSimulator } = require('../simulator')
const { afterwards, newPool, simulator } = require('./support/stage')
const { quietPort } = require('./support/quiet-port')

const failureOf = (call) =>
  call.then(
    () => undefined,
    (error) => error,
  )

test('who asks while a Blender is back is served at once, however long the pauses had become', async () => {
  const port = await quietPort()
  const pool = newPool({
    endpoints: `127.0.0.1:${port}`,
    connectRetryMs: 600_000,
    acquireTimeoutMs: 600_000,
    maxRetryBackoffMs: 2 ** 31 - 1,
  })
  // By now the pauses are minutes long.
  for (let failures = 0; failures < 14; failures++) {
    const giveUp = new AbortController()
    const failed = once(pool, 'connectionClosed')
    const call = failureOf(pool.execute('ping', { signal: giveUp.signal }))
    await failed
    giveUp.abort()
    await call
  }
  const blender = await startSimulator({ dialect: 'worker', port })
  afterwards(() => blender.close())
  expect(await pool.execute('ping', { timeoutMs: 20_000 })).toMatchObject({ success: true })
})

test('with every endpoint down the error names each, and one that is named speaks for itself', async () => {
  const [a, b] = [await quietPort(), await quietPort()]
  const endpoints = [
    { name: 'left', port: a },
    { name: 'right', port: b },
  ]
  const pool = newPool({ endpoints, connectRetryMs: 200 })
  const [any, left] = await Promise.all([
    failureOf(pool.execute('ping')),
    failureOf(pool.execute('ping', { endpoint: 'left' })),
  ])
  expect(any).toBeInstanceOf(PoolError)
  expect(any).toMatchObject({ code: 'ERR_POOL_ENDPOINT_DOWN', delivered: 'no', retryable: true })
  expect(any.message).toContain('left: cannot connect')
  expect(any.message).toContain('right: cannot connect')
  expect(any.cause).toMatchObject({ code: 'ECONNREFUSED' })
  expect(left).toMatchObject({ code: 'ERR_POOL_CONNECT', endpoint: 'left' })
})

test('a command that close() cuts is not told that nothing was sent', async () => {
  const blender = await simulator({ dialect: 'worker' })
  const pool = newPool({ endpoints: blender.address, dialect: 'worker' })
  const running = failureOf(pool.execute('hold'))
  await blender.waitFor(({ commands }) => commands.some(({ state }) => state === 'running'))
  const report = await pool.close({ force: true })
  blender.release()
  const error = await running
  expect(error).toMatchObject({ code: 'ERR_POOL_CLOSED', delivered: 'maybe', retryable: false })
  expect(error.advice).not.toContain('nothing was sent')
  expect(report).toMatchObject({ cut: 1 })
})

test('a timeout names the limit that was reached, and counts as a failed command', async () => {
  const blender = await simulator({ dialect: 'worker' })
  const pool = newPool({ endpoints: blender.address, dialect: 'worker', maxConnections: 1 })
  await pool.execute('ping')
  const running = failureOf(pool.execute('hold', { timeoutMs: 150 }))
  const waiting = failureOf(pool.execute('ping', { timeoutMs: 60 }))
  expect((await waiting).message).toContain('within 60 ms (timeoutMs)')
  expect((await waiting).advice).toContain('timeoutMs')
  const error = await running
  expect(error.message).toContain('within 150 ms (timeoutMs)')
  expect(error.advice).toContain('Raise timeoutMs')
  expect(pool.stats()).toMatchObject({ timeouts: 2, commandErrors: 1 })
  blender.release()
})

test('who waits behind a command that was cut is told that Blender is still at it', async () => {
  const blender = await simulator({ dialect: 'blender-mcp' })
  const pool = newPool({ endpoints: blender.address, dialect: 'blender-mcp' })
  await pool.execute('get_scene_info')
  const cut = failureOf(pool.execute('hold', { timeoutMs: 50 }))
  expect(await cut).toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT' })
  const error = await failureOf(pool.execute('get_scene_info', { timeoutMs: 50 }))
  expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no' })
  expect(error.message).toContain('still busy')
  expect(error.advice).toContain('More connections do not help.')
  blender.release()
})

test('a host that has no address is ENOTFOUND', async () => {
  const pool = newPool({
    endpoints: 'no-such-host.invalid:9876',
    allowRemote: true,
    connectRetryMs: 0,
    connectTimeoutMs: 25_000, // a resolver without a network takes its time
  })
  const error = await failureOf(pool.execute('ping'))
  expect(error).toMatchObject({ code: 'ERR_POOL_CONNECT', cause: { code: 'ENOTFOUND' } })
})

test('what people write who know another pool is answered with what to write here', async () => {
  expect(() => newPool({ host: '127.0.0.1' })).toThrow(/endpoints: \{ host/)
  expect(() => newPool({ timeout: 5 })).toThrow(/timeoutMs/)
  const pool = newPool()
  await expect(pool.execute('execute_code', { code: 'x' })).rejects.toThrow(/params: \{ code/)
})

test('a printed pool and a printed connection show what they are', async () => {
  const blender = await simulator({ dialect: 'worker' })
  const pool = newPool({ endpoints: blender.address, name: 'studio' })
  const connection = await pool.acquire()
  expect(inspect(pool)).toMatch(/^ConnectionPool \{ name: 'studio', state: 'ready', .*inUse: 1/)
  expect(inspect(connection)).toMatch(
    /^PooledConnection \{ id: 1, .*dialect: 'worker', inUse: true/,
  )
})
