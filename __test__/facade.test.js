'use strict'
// The pool's methods, against a simulated Blender: what they give, and what they refuse.

const { execFileSync } = require('node:child_process')
const path = require('node:path')
const { ConnectionPool, PooledConnection, PoolError } = require('..')
const { startSimulator } = require('../simulator')
const { DIALECTS, inCode } = require('./support/dialects')

const root = path.join(__dirname, '..')
let simulator
let pool

beforeEach(async () => {
  simulator = await startSimulator({ beatMs: 0 })
  pool = open()
})

afterEach(async () => {
  await pool.close({ force: true })
  await simulator.close()
})

function open(options) {
  return new ConnectionPool({
    endpoints: { name: 'blender', address: simulator.address },
    dialect: 'worker',
    maxConnections: 1,
    ...options,
  })
}

describe('execute', () => {
  test('gives the reply of the add-on', async () => {
    const reply = await pool.execute({ type: 'echo', params: { text: 'aé→𝄞' } })
    expect(reply).toEqual({ success: true, status: 'success', result: { text: 'aé→𝄞' } })
  })

  test("resolves with an add-on's own error", async () => {
    const reply = await pool.execute({ type: 'fail', params: { message: 'no such object' } })
    expect(reply).toEqual({ success: false, status: 'error', message: 'no such object' })
  })

  test('rejects with it when asked to', async () => {
    const call = pool.execute('fail', { rejectOnError: true })
    await expect(call).rejects.toMatchObject({
      code: 'ERR_POOL_COMMAND_FAILED',
      message: 'fail failed in Blender: failed on demand',
      delivered: 'yes',
      details: { reply: { success: false, status: 'error', message: 'failed on demand' } },
    })
    await expect(pool.execute('ping', { rejectOnError: true })).resolves.toMatchObject({
      success: true,
    })
  })

  test('gives the bytes of the reply when asked to', async () => {
    const raw = await pool.execute({ type: 'echo', params: { text: '→' } }, { raw: true })
    expect(Buffer.isBuffer(raw)).toBe(true)
    expect(JSON.parse(raw.toString())).toMatchObject({ status: 'success', result: { text: '→' } })
  })

  test('sends nothing of a wrong command or with wrong options', async () => {
    await expect(pool.execute({ type: 'x', params: { n: 1n } })).rejects.toMatchObject({
      code: 'ERR_POOL_INVALID_COMMAND',
      delivered: 'no',
    })
    for (const options of [
      { timeout: 1 },
      { timeoutMs: 0 },
      { timeoutMs: '5' },
      { signal: {} },
      { raw: 1 },
      { raw: true, rejectOnError: true },
      { endpoint: 'elsewhere' },
      null,
      'fast',
    ]) {
      await expect(pool.execute('ping', options)).rejects.toMatchObject({
        code: 'ERR_POOL_INVALID_OPTION',
      })
    }
    const small = open({ maxRequestBytes: 100 })
    const params = { text: 'x'.repeat(200) }
    await expect(small.execute({ type: 'echo', params })).rejects.toMatchObject({
      code: 'ERR_POOL_INVALID_COMMAND',
    })
    await small.close()
    expect(simulator.stats()).toMatchObject({ connects: 0, received: 0 })
  })

  test('gives each of many callers its own answer', async () => {
    const calls = Array.from({ length: 1000 }, (_, n) =>
      pool.execute({ type: 'echo', params: { n } }),
    )
    const replies = await Promise.all(calls)
    expect(replies.map(({ result }) => result.n)).toEqual(calls.map((_, n) => n))
    expect(simulator.stats().peak).toBe(1)
  })
})

describe('an error', () => {
  test('names the line that called, the endpoint and the figures of the moment', async () => {
    simulator.setFaults({ command: 'echo', reset: 'afterRead' })
    const error = await pool.execute('echo').catch((thrown) => thrown)
    expect(error).toBeInstanceOf(PoolError)
    expect(error).toMatchObject({
      code: 'ERR_POOL_CONNECTION_LOST',
      delivered: 'maybe',
      endpoint: 'blender',
      connectionId: 1,
      stats: { commands: 1 },
    })
    expect(error.stack).toContain(__filename)
    expect(error.cause).toBeInstanceOf(Error)
  })

  test('names the line that called also from acquire, from use and at once', async () => {
    await simulator.stopListening()
    const failing = open({ connectRetryMs: 0 })
    const ways = [
      async () => failing.acquire(),
      async () => failing.use(() => {}),
      async () => failing.execute('ping', { endpoint: 'elsewhere' }),
    ]
    for (const way of ways) {
      const error = await way().catch((thrown) => thrown)
      expect(error).toBeInstanceOf(PoolError)
      expect(error.stack).toContain(__filename)
    }
    await failing.close()
  })

  test('has the cause that the operating system gave', async () => {
    await simulator.stopListening()
    const failing = open({ connectRetryMs: 0 })
    await expect(failing.execute('ping')).rejects.toMatchObject({
      code: 'ERR_POOL_CONNECT',
      retryable: true,
      delivered: 'no',
      cause: { code: 'ECONNREFUSED', syscall: 'connect' },
    })
    await failing.close()
  })
})

describe('a held connection', () => {
  test('tells what it is', async () => {
    const before = Date.now()
    const connection = await pool.acquire()
    expect(connection).toBeInstanceOf(PooledConnection)
    expect(connection).toMatchObject({ id: 1, endpoint: 'blender', dialect: 'worker', inUse: true })
    expect(connection.createdAt).toBeGreaterThanOrEqual(before - 1)
    expect(connection.createdAt).toBeLessThanOrEqual(Date.now() + 1)
    expect(connection.useCount).toEqual(expect.any(Number))
    await connection.release()
    expect(connection.inUse).toBe(false)
  })

  test('runs its commands over its own socket, one after another', async () => {
    const two = open({ maxConnections: 2 })
    const [left, right] = await Promise.all([two.acquire(), two.acquire()])
    await Promise.all([1, 2, 3].map((n) => left.execute({ type: 'echo', params: { n } })))
    await right.execute('ping')
    const sockets = simulator
      .stats()
      .commands.filter(({ command }) => command === 'echo')
      .map(({ socket }) => socket)
    expect(new Set(sockets).size).toBe(1)
    expect(simulator.stats().violations).toEqual([])
    await two.close({ force: true })
  })

  test('is refused after it was given back, and the next holder is undisturbed', async () => {
    const first = await pool.acquire()
    await first.release()
    const second = await pool.acquire()
    const refused = { code: 'ERR_POOL_NOT_HELD', connectionId: 1, delivered: 'no' }
    await expect(first.release()).rejects.toMatchObject(refused)
    await expect(pool.release(first)).rejects.toMatchObject(refused)
    await expect(first.discard()).rejects.toMatchObject(refused)
    await expect(first.execute('ping')).rejects.toMatchObject(refused)
    await expect(second.execute('ping')).resolves.toMatchObject({ success: true })
    expect(pool.stats()).toMatchObject({ inUse: 1, acquired: 2, released: 1 })
    await pool.release(second)
  })

  test('is not closed by its pool when another gives it back', async () => {
    const other = open()
    const connection = await pool.acquire()
    for (const foreign of [connection, {}, null, undefined, 'connection', 1]) {
      await expect(other.release(foreign)).rejects.toMatchObject({ code: 'ERR_POOL_NOT_HELD' })
    }
    await expect(connection.execute('ping')).resolves.toMatchObject({ success: true })
    await other.close()
  })

  test('that is discarded is never used again', async () => {
    const connection = await pool.acquire()
    await expect(connection.discard(7)).rejects.toMatchObject({ code: 'ERR_POOL_INVALID_OPTION' })
    await connection.discard('it smells')
    const next = await pool.acquire()
    expect(next.id).toBe(2)
    expect(pool.stats().closed.discarded).toBe(1)
  })

  test('has no endpoint option: it has its endpoint', async () => {
    const connection = await pool.acquire()
    await expect(connection.execute('ping', { endpoint: 'blender' })).rejects.toMatchObject({
      code: 'ERR_POOL_INVALID_OPTION',
      message: expect.stringContaining('connection.execute()'),
    })
  })

  test('goes back at the end of its block, whether given back before or not', async () => {
    const connection = await pool.acquire()
    await connection[Symbol.asyncDispose]()
    await connection[Symbol.asyncDispose]()
    const again = await pool.acquire()
    await again.release()
    await again[Symbol.asyncDispose]()
    expect(pool.stats()).toMatchObject({ inUse: 0, released: 2 })
  })
})

describe('use', () => {
  test('gives what the work gives, and gives the connection back', async () => {
    const name = await pool.use(async (connection) => {
      const { result } = await connection.execute('get_scene_info')
      return result.name
    })
    expect(name).toBe('Scene')
    expect(pool.stats()).toMatchObject({ inUse: 0, idle: 1 })
  })

  test("rejects with the work's own error, and gives the connection back", async () => {
    const own = new Error('mine')
    const thrown = pool.use(() => {
      throw own
    })
    await expect(thrown).rejects.toBe(own)
    expect(pool.stats().inUse).toBe(0)
  })

  test("lets the work's error win over a connection that cannot be given back", async () => {
    const own = new Error('mine')
    const thrown = pool.use(async (connection) => {
      await connection.release()
      throw own
    })
    await expect(thrown).rejects.toBe(own)
  })

  test('takes options, and wants a function', async () => {
    await expect(pool.use('work')).rejects.toMatchObject({ code: 'ERR_POOL_INVALID_OPTION' })
    const id = await pool.use(({ endpoint }) => endpoint, { endpoint: 'blender' })
    expect(id).toBe('blender')
  })
})

describe('tryAcquire', () => {
  test('gives an idle connection at once, else null', async () => {
    expect(pool.tryAcquire()).toBeNull()
    await pool.execute('ping')
    const connection = pool.tryAcquire({ endpoint: 'blender' })
    expect(connection).toBeInstanceOf(PooledConnection)
    expect(pool.tryAcquire()).toBeNull()
    await connection.release()
  })

  test('throws on a wrong option and on a closed pool', async () => {
    expect(() => pool.tryAcquire({ timeoutMs: 1 })).toThrow('tryAcquire() has no option')
    await pool.close()
    expect(() => pool.tryAcquire()).toThrow(expect.objectContaining({ code: 'ERR_POOL_CLOSED' }))
  })
})

describe('close', () => {
  test('gives one promise to all who ask, and nothing works after it', async () => {
    await pool.execute('ping')
    expect(pool.state).toBe('ready')
    const closing = pool.close()
    expect(pool.close()).toBe(closing)
    expect(await closing).toMatchObject({ cut: 0, failedWaiters: 0 })
    expect(pool.state).toBe('closed')
    const closed = { code: 'ERR_POOL_CLOSED', delivered: 'no' }
    await expect(pool.execute('ping')).rejects.toMatchObject(closed)
    await expect(pool.acquire()).rejects.toMatchObject(closed)
    await pool[Symbol.asyncDispose]()
    expect(pool.stats()).toMatchObject({ total: 0 })
  })

  test('fails those who wait at once, and lets a holder finish', async () => {
    const connection = await pool.acquire()
    const waiting = [pool.execute('ping'), pool.acquire()]
    const closing = pool.close()
    expect(pool.state).toBe('closing')
    for (const call of waiting)
      await expect(call).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED' })
    await expect(connection.execute('ping')).resolves.toMatchObject({ success: true })
    await connection.release()
    expect(await closing).toMatchObject({ cut: 0, failedWaiters: 2 })
  })

  test('with force cuts short a close that waits for a holder', async () => {
    const connection = await pool.acquire()
    const closing = pool.close({ timeoutMs: 2 ** 31 - 1 })
    expect(pool.close({ force: true })).toBe(closing)
    expect(await closing).toMatchObject({ cut: 1 })
    await connection[Symbol.asyncDispose]()
  })

  test('refuses wrong options and stays open', async () => {
    for (const options of [{ timeoutMs: -1 }, { force: 1 }, { now: true }, 5]) {
      await expect(pool.close(options)).rejects.toMatchObject({ code: 'ERR_POOL_INVALID_OPTION' })
    }
    expect(pool.state).toBe('ready')
  })
})

test('every dialect gives the same reply', async () => {
  for (const dialect of DIALECTS) {
    const other = await startSimulator({ dialect, beatMs: 0 })
    const speaking = new ConnectionPool({ endpoints: other.address, dialect })
    const reply = await speaking.execute(inCode(dialect, 'print', { text: 'hello' }))
    expect({ dialect, ...reply }).toMatchObject({ dialect, success: true, status: 'success' })
    await speaking.close()
    await other.close()
  }
})

test('the names are there for import as for require', () => {
  const script = `
    import pool, {
      ConnectionPool, Limiter, PooledConnection, PooledResource, PoolError, ResourcePool,
      deliveredOf,
    } from 'blender-pool'
    const names = {
      ConnectionPool, Limiter, PooledConnection, PooledResource, PoolError, ResourcePool,
      deliveredOf,
    }
    for (const name in names) if (names[name] !== pool[name]) throw new Error(name)
    console.log(Object.keys(pool).sort().join())`
  const args = ['--input-type=module', '--eval', script]
  const names = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  expect(names.trim()).toBe(
    'ConnectionPool,Limiter,PoolError,PooledConnection,PooledResource,ResourcePool,deliveredOf',
  )
})
