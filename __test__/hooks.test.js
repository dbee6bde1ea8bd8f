'use strict'

// onConnect, onRelease and the function of recycle(): user code on a connection that is out of the pool.
// Whatever it does, the pool goes on.

const { PoolError } = require('..')
const { expectBalanced, nextEvent } = require('./support/fault')
const { eventually } = require('./support/arena')
const { newPool, simulator } = require('./support/stage')

let blender

beforeEach(async () => {
  blender = await simulator({ dialect: 'worker', beatMs: 0 })
})

const open = (options) =>
  newPool({ endpoints: blender.address, dialect: 'worker', maxConnections: 1, ...options })

const rejected = { code: 'ERR_POOL_NOT_HELD' }
const forEver = () => new Promise(() => {})

describe('onConnect', () => {
  test('runs on every new connection before anybody gets it', async () => {
    const seen = []
    const pool = open({
      onConnect: async (connection) => {
        const { result } = await connection.execute({ type: 'echo', params: { hello: 1 } })
        seen.push([connection.id, connection.inUse, result])
      },
    })
    await pool.execute('get_scene_info')
    await pool.use((held) => held.discard())
    await pool.execute('get_scene_info')
    expect(seen).toEqual([
      [1, true, { hello: 1 }],
      [2, true, { hello: 1 }],
    ])
    const commands = blender.stats().commands.map(({ command }) => command)
    expect(commands.filter((command) => command !== 'ping')).toEqual([
      'echo',
      'get_scene_info',
      'echo',
      'get_scene_info',
    ])
    expectBalanced(pool)
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('of the hook')
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('of the hook')
      },
    ],
    [
      'throws nothing that can be shown',
      () => {
        throw {
          get message() {
            throw 1
          },
          get stack() {
            throw 2
          },
        }
      },
    ],
    ['never ends', forEver],
  ])('that %s fails the connection, once in an event, and nothing else', async (_what, hook) => {
    let runs = 0
    const onConnect = (connection) => (++runs === 1 ? hook(connection) : undefined)
    const pool = open({ onConnect, hookTimeoutMs: 30 })
    const failed = nextEvent(pool, 'hookFailed')
    const reply = await pool.execute('ping')
    expect(reply.success).toBe(true)
    expect(await failed).toEqual({
      connectionId: 1,
      endpoint: blender.address,
      hook: 'onConnect',
      error: expect.any(PoolError),
    })
    expect(pool.stats()).toMatchObject({ hookFailures: 1, total: 1 })
  })

  test('is lent its connection, which is dead when the hook has ended', async () => {
    let lent
    const refusals = []
    const pool = open({
      onConnect: async (connection) => {
        lent = connection
        for (const way of [
          () => connection.release(),
          () => connection.discard(),
          () => pool.release(connection),
          () => pool.recycle(connection, () => {}),
        ]) {
          refusals.push(await way().catch(({ code, message }) => ({ code, message })))
        }
        await connection[Symbol.asyncDispose]()
        expect(connection.inUse).toBe(true)
      },
    })
    await pool.execute('ping')
    const lentMessage = expect.stringContaining('lent to a hook')
    expect(refusals).toEqual(Array(4).fill({ ...rejected, message: lentMessage }))
    expect(lent.inUse).toBe(false)
    await expect(lent.execute('ping')).rejects.toMatchObject(rejected)
    await expect(lent.release()).rejects.toMatchObject(rejected)
  })

  test('that took too long has a dead connection as well', async () => {
    let lent
    const pool = open({
      hookTimeoutMs: 20,
      onConnect: (connection) => {
        if (lent !== undefined) return
        lent = connection
        return forEver()
      },
    })
    await pool.execute('ping')
    await eventually(() => !lent.inUse)
    await expect(lent.execute('ping')).rejects.toMatchObject(rejected)
  })

  test.each([
    ['acquire', (pool) => pool.acquire({ timeoutMs: 10 }).catch(() => {})],
    ['execute', (pool) => pool.execute('ping', { timeoutMs: 10 }).catch(() => {})],
    ['stats and events', (pool) => pool.on('poolClosed', () => {}).stats()],
  ])('may call the pool: %s', async (_what, call) => {
    const pool = open({ onConnect: () => call(pool) })
    expect(await pool.execute('ping')).toMatchObject({ success: true })
  })

  test.each([
    [
      'clear',
      (pool) => {
        pool.clear()
        pool.ready()
      },
    ],
    [
      'close',
      (pool) => {
        pool.close()
      },
    ],
  ])('may %s the pool', async (_what, call) => {
    let runs = 0
    const pool = open({ onConnect: () => (++runs === 1 ? call(pool) : undefined) })
    await pool.execute('ping').catch((error) => expect(error).toBeInstanceOf(PoolError))
    await pool.close()
    expect(pool.stats()).toMatchObject({ total: 0, waiting: 0, raceDetected: 0 })
  })
})

describe('onRelease', () => {
  test('runs on what a holder gave back, before the next one gets it', async () => {
    const order = []
    const pool = open({
      onRelease: async (connection) => {
        await connection.execute('ping')
        order.push(`released ${connection.id}`)
      },
    })
    const use = (name) => pool.use(({ id }) => order.push(`${name} ${id}`))
    await Promise.all([use('first'), use('second')])
    await eventually(() => pool.stats().idle === 1)
    expect(order).toEqual(['first 1', 'released 1', 'second 1', 'released 1'])
  })

  test('that fails closes the connection, and the next holder gets another', async () => {
    const pool = open({
      onRelease: () => {
        throw new Error('dirty')
      },
    })
    const failed = nextEvent(pool, 'hookFailed')
    const first = await pool.use(({ id }) => id)
    expect(await pool.use(({ id }) => id)).toBe(first + 1)
    const { hook, error } = await failed
    expect(hook).toBe('onRelease')
    expect(error.message).toContain('dirty')
  })
})

describe('recycle', () => {
  test('gives what its function gives, when the connection is idle again', async () => {
    const pool = open()
    const held = await pool.acquire()
    const waiting = pool.acquire()
    let states
    const given = await pool.recycle(held, async (lent) => {
      await lent.execute('ping')
      states = pool.connections().map(({ state }) => state)
      return [lent.id, lent === held]
    })
    expect(given).toEqual([held.id, false])
    expect(states).toEqual(['unusable'])
    expect(held.inUse).toBe(false)
    expect((await waiting).id).toBe(held.id)
    await (await waiting).release()
    expect(pool.stats()).toMatchObject({ idle: 1, inUse: 0, created: 1 })
  })

  test("rejects with its function's own error, and the connection is closed", async () => {
    const pool = open()
    const own = new Error('mine')
    const held = await pool.acquire()
    const failed = nextEvent(pool, 'hookFailed')
    const call = pool.recycle(held, async () => {
      throw own
    })
    await expect(call).rejects.toBe(own)
    expect(await failed).toMatchObject({ hook: 'recycle', connectionId: held.id })
    expect(await pool.use(({ id }) => id)).toBe(held.id + 1)
  })

  test('rejects when its function never ends', async () => {
    const pool = open({ hookTimeoutMs: 20 })
    const held = await pool.acquire()
    const call = pool.recycle(held, forEver)
    await expect(call).rejects.toMatchObject({ message: expect.stringContaining('hookTimeoutMs') })
    expect(await pool.use(({ id }) => id)).toBe(held.id + 1)
  })

  test('rejects when the connection dies meanwhile', async () => {
    const pool = open()
    const held = await pool.acquire()
    const call = pool.recycle(held, async (lent) => {
      blender.hangUp({ reset: true })
      return await lent.execute('ping')
    })
    await expect(call).rejects.toBeInstanceOf(PoolError)
    expect(await pool.execute('ping')).toMatchObject({ success: true })
  })

  test('wants a connection of this pool that is held, and a function', async () => {
    const pool = open()
    const held = await pool.acquire()
    for (const work of [undefined, null, 'ping', {}]) {
      await expect(pool.recycle(held, work)).rejects.toMatchObject({
        code: 'ERR_POOL_INVALID_OPTION',
      })
    }
    expect(held.inUse).toBe(true)
    const other = open()
    await expect(other.recycle(held, () => {})).rejects.toMatchObject(rejected)
    await held.release()
    for (const connection of [held, {}, null]) {
      await expect(pool.recycle(connection, () => {})).rejects.toMatchObject(rejected)
    }
    expectBalanced(pool)
  })
})
