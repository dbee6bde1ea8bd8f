'use strict'

// How many connections there are: a minimum that is kept in the background, warm() for who wants to wait
// for it, and resize() while the pool works.

const { arena, eventually, openIdle, outcome, quietTime, turn } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { quietPort } = require('./support/quiet-port')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

/** Nothing is closed for its age, and upkeep comes often. */
const BRISK = { maintenanceIntervalMs: 10, idleTimeoutMs: 0, maxLifetimeMs: 0 }

describe('minConnections', () => {
  test('are opened though nobody asks for anything', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...BRISK, minConnections: 3 })
    const told = new Chronicle(connections)
    await told.has('connectionReady', 3)
    expect(connections.stats()).toMatchObject({ idle: 3, total: 3, min: 3, acquired: 0 })
    expect(blender).toMatchObject({ accepted: 3, requests: [] })
    expect(told.names().slice(0, 2)).toEqual(['poolCreated', 'poolReady'])
  })

  test('are there again after all of them were lost', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...BRISK, minConnections: 3 })
    await connections.warm()
    blender.kill()
    await blender.until(({ accepted, open }) => accepted >= 6 && open === 3)
    await eventually(() => connections.stats().idle === 3)
    expect(connections.stats()).toMatchObject({ closed: { error: 3 } })
  })

  test('are for who waits, not only for later', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...BRISK, minConnections: 2, maxConnections: 2 })
    const held = await Promise.all([connections.acquire(), connections.acquire()])
    expect(blender.accepted).toBe(2)
    for (const connection of held) await connection.release()
  })

  test('are not kept with maintenanceIntervalMs 0, unless warm() asks', async () => {
    const blender = await stub()
    const connections = pool(blender, { minConnections: 2, maintenanceIntervalMs: 0 })
    await connections.execute(ask('worker'))
    await quietTime(30)
    expect(blender.accepted).toBe(1)
    await connections.warm()
    expect(blender.accepted).toBe(2)
  })

  test('of each endpoint are opened there', async () => {
    const [a, b] = await Promise.all([stub(), stub()])
    const connections = pool(null, {
      ...BRISK,
      dialect: 'worker',
      endpoints: [
        { name: 'a', address: a.address, minConnections: 3 },
        { name: 'b', address: b.address, minConnections: 1 },
      ],
    })
    await connections.warm()
    expect([a.open, b.open]).toEqual([3, 1])
    expect(connections.endpoints().map(({ min, idle }) => [min, idle])).toEqual([
      [3, 3],
      [1, 1],
    ])
    a.kill()
    await a.until(({ accepted, open }) => accepted >= 6 && open === 3)
    expect(b.accepted).toBe(1)
  })

  test.each([
    [{ minConnections: 3, maxConnections: 2 }],
    [{ minConnections: -1 }],
    [{ minConnections: 1.5 }],
  ])('%p are refused', (options) => {
    expect(() => pool({ address: '127.0.0.1:1', dialect: 'worker' }, options)).toThrow(
      expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }),
    )
  })
})

describe('warm', () => {
  test('resolves when the minimum stands, for all who ask', async () => {
    const pings = []
    const blender = await stub({ ping: (request) => pings.push(request) })
    const connections = pool(blender, { ...BRISK, minConnections: 2 })
    let resolved = 0
    const warming = [1, 2, 3].map(() =>
      connections.warm().then(() => {
        resolved++
      }),
    )
    await blender.until(() => pings.length === 2)
    pings[0].reply({ pong: true })
    await eventually(() => connections.stats().idle === 1)
    await turn()
    expect(resolved).toBe(0)
    pings[1].reply({ pong: true })
    await Promise.all(warming)
    expect(connections.stats()).toMatchObject({ idle: 2 })
    await connections.warm()
  })

  test('of a pool without a minimum resolves, and opens nothing', async () => {
    const blender = await stub()
    expect(await pool(blender, BRISK).warm()).toBeUndefined()
    expect(blender.accepted).toBe(0)
  })

  test('rejects with the real cause when nobody listens', async () => {
    const address = `127.0.0.1:${await quietPort()}`
    const connections = pool(
      { address, dialect: 'worker' },
      { ...BRISK, minConnections: 2, acquireTimeoutMs: 200, connectRetryMs: 100 },
    )
    const { error } = await outcome(connections.warm())
    expect(error).toMatchObject({
      name: 'PoolError',
      code: expect.stringMatching(/^ERR_POOL_(CONNECT|ACQUIRE_TIMEOUT)$/),
      endpoint: address,
      retryable: true,
      cause: { code: 'ECONNREFUSED', syscall: 'connect' },
    })
  })

  test('rejects with the real cause when one of two endpoints is dead that must have some', async () => {
    const blender = await stub()
    const connections = pool(null, {
      ...BRISK,
      dialect: 'worker',
      acquireTimeoutMs: 200,
      connectRetryMs: 100,
      endpoints: [
        { name: 'alive', address: blender.address, minConnections: 1 },
        { name: 'dead', address: `127.0.0.1:${await quietPort()}`, minConnections: 1 },
      ],
    })
    const { error } = await outcome(connections.warm())
    expect(error).toMatchObject({ endpoint: 'dead', cause: { code: 'ECONNREFUSED' } })
    expect((await connections.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
  })

  test('is told when the pool is closed, paused or cleared meanwhile', async () => {
    const blender = await stub({ ping: () => {} })
    for (const [order, code] of [
      ['pause', 'ERR_POOL_CLEARED'],
      ['clear', 'ERR_POOL_CLEARED'],
      ['close', 'ERR_POOL_CLOSED'],
    ]) {
      const connections = pool(blender, { ...BRISK, minConnections: 1 })
      const came = blender.accepted
      const warming = outcome(connections.warm())
      await blender.until(({ accepted }) => accepted > came)
      connections[order]()
      expect((await warming).error).toMatchObject({ code })
    }
  })
})

describe('resize', () => {
  test('up serves those who wait at once', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...BRISK, maxConnections: 1 })
    const first = await connections.acquire()
    await turn()
    const waiting = [1, 2, 3].map(() => connections.acquire())
    await turn()
    expect(blender.accepted).toBe(1)

    connections.resize({ maxConnections: 3 })

    const served = [await waiting[0], await waiting[1]]
    expect(connections.stats()).toMatchObject({ max: 3, inUse: 3, waiting: 1 })
    await first.release()
    await (await waiting[2]).release()
    for (const connection of served) await connection.release()
    expect(blender.peak).toBe(3)
  })

  test('down closes what is idle, that first which was used longest ago, and never what is held', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...BRISK, maxConnections: 5 })
    const told = new Chronicle(connections)
    const held = []
    for (let n = 0; n < 5; n++) held.push(await connections.acquire())
    const [a, b, c, d, e] = held
    await c.release()
    await a.release()

    connections.resize({ maxConnections: 4 })
    await told.has('connectionClosed')
    connections.resize({ maxConnections: 2 })

    expect(await told.has('connectionClosed', 2)).toMatchObject([
      { connectionId: c.id, reason: 'idle' },
      { connectionId: a.id, reason: 'idle' },
    ])
    expect(connections.stats()).toMatchObject({ max: 2, inUse: 3, total: 3 })
    for (const connection of [b, d, e]) {
      expect((await connection.execute(ask('worker', { n: connection.id }))).success).toBe(true)
    }
    const waiting = connections.acquire()
    await b.release()
    await told.has('connectionClosed', 3)
    expect(connections.stats()).toMatchObject({ inUse: 2, total: 2, waiting: 1 })
    await d.release()
    expect((await waiting).id).toBe(d.id)
    await (await waiting).release()
    await e.release()
    expect(connections.stats()).toMatchObject({ idle: 2, total: 2, closed: { idle: 3 } })
    expect(told.faults()).toEqual([])
  })

  test('of the minimum opens what is missing, and closes nothing when it shrinks', async () => {
    const blender = await stub()
    const connections = pool(blender, BRISK)
    await connections.warm()
    expect(blender.accepted).toBe(0)
    connections.resize({ minConnections: 3 })
    await connections.warm()
    expect(connections.stats()).toMatchObject({ min: 3, max: 5, idle: 3 })
    connections.resize({ minConnections: 0 })
    await quietTime(30)
    expect(connections.stats()).toMatchObject({ min: 0, idle: 3 })
  })

  test('many times beyond the first size and back loses no slot', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...BRISK, maxConnections: 1 })
    for (const maxConnections of [7, 2, 40, 1, 3]) {
      connections.resize({ maxConnections })
      const held = await Promise.all(
        Array.from({ length: maxConnections }, () => connections.acquire()),
      )
      expect(connections.stats()).toMatchObject({ inUse: maxConnections, max: maxConnections })
      expect(connections.tryAcquire()).toBeNull()
      for (const connection of held) await connection.release()
    }
    await blender.until(({ open }) => open === 3)
    expect(connections.stats()).toMatchObject({ total: 3, raceDetected: 0 })
  })

  test.each([
    [{ maxConnections: 0 }],
    [{ maxConnections: 1.5 }],
    [{ minConnections: -1 }],
    [{ minConnections: 6 }],
    [{ minConnections: 3, maxConnections: 2 }],
    [{ connections: 3 }],
    [undefined],
    [3],
  ])('to %p is refused, and changes nothing', async (size) => {
    const blender = await stub()
    const connections = pool(blender, { ...BRISK, minConnections: 1 })
    await connections.warm()
    expect(() => connections.resize(size)).toThrow(
      expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }),
    )
    expect(connections.stats()).toMatchObject({ min: 1, max: 5 })
  })

  test('to less than the minimum is refused', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...BRISK, minConnections: 2 })
    expect(() => connections.resize({ maxConnections: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }),
    )
    await openIdle(connections, 2)
  })
})
