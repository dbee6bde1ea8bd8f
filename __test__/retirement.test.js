'use strict'

// When a connection goes, and which one comes next: too long idle, too old, used too often; the one used
// last or the one used longest ago. Never while somebody holds it, and never below the minimum.

const { arena, eventually, openIdle, quietTime } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

const OFF = { idleTimeoutMs: 0, maxLifetimeMs: 0, healthCheckIntervalMs: 0 }

describe('idleTimeoutMs', () => {
  test('closes what nobody used for so long', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...OFF, idleTimeoutMs: 50, maintenanceIntervalMs: 5 })
    const told = new Chronicle(connections)
    const ids = await openIdle(connections, 3)
    const closed = await told.has('connectionClosed', 3)
    expect(new Set(closed.map(({ connectionId }) => connectionId))).toEqual(new Set(ids))
    expect(new Set(closed.map(({ reason }) => reason))).toEqual(new Set(['idle']))
    expect(closed.every(({ error }) => error === undefined)).toBe(true)
    await blender.until(({ open }) => open === 0)
    expect(connections.stats()).toMatchObject({ total: 0, closed: { idle: 3 } })
  })

  test('never goes below the minimum', async () => {
    const blender = await stub()
    const connections = pool(blender, {
      ...OFF,
      minConnections: 2,
      idleTimeoutMs: 30,
      maintenanceIntervalMs: 5,
    })
    const told = new Chronicle(connections)
    await openIdle(connections, 5)
    await told.has('connectionClosed', 3)
    await quietTime(100)
    expect(told.of('connectionClosed')).toHaveLength(3)
    expect(connections.stats()).toMatchObject({ idle: 2, total: 2 })
    // The same two, and not others in their place.
    expect(blender.accepted).toBe(5)
  })

  test('never closes what is held', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...OFF, idleTimeoutMs: 30, maintenanceIntervalMs: 5 })
    const told = new Chronicle(connections)
    const held = await connections.acquire()
    const idle = await connections.acquire()
    await idle.release()
    await told.has('connectionClosed')
    await quietTime(50)
    expect((await held.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    expect(told.of('connectionClosed')).toMatchObject([{ connectionId: idle.id }])
    await held.release()
  })

  test('is looked at before a connection is given out, though no upkeep came by', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...OFF, idleTimeoutMs: 20, maintenanceIntervalMs: 0 })
    const told = new Chronicle(connections)
    const [before] = await openIdle(connections, 1)
    await quietTime(40)
    expect(connections.stats()).toMatchObject({ idle: 1 })
    const [after] = await openIdle(connections, 1)
    expect(after).not.toBe(before)
    expect(await told.has('connectionClosed')).toMatchObject([
      { connectionId: before, reason: 'idle' },
    ])
  })
})

describe('maxLifetimeMs', () => {
  test('replaces what is too old, and never leaves less than the minimum standing', async () => {
    const blender = await stub()
    const connections = pool(blender, {
      ...OFF,
      minConnections: 2,
      maxLifetimeMs: 60,
      maintenanceIntervalMs: 5,
    })
    const told = new Chronicle(connections)
    await connections.warm()
    let fewest = blender.open
    await blender.until(({ accepted, open }) => {
      fewest = Math.min(fewest, open)
      return accepted >= 8
    })
    expect(fewest).toBe(2)
    const closed = await told.has('connectionClosed', 5)
    expect(new Set(closed.map(({ reason }) => reason))).toEqual(new Set(['lifetime']))
    expect(told.faults()).toEqual([])
  })

  test('closes a held one only when it is given back', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...OFF, maxLifetimeMs: 30, maintenanceIntervalMs: 5 })
    const told = new Chronicle(connections)
    const held = await connections.acquire()
    const idle = await connections.acquire()
    await idle.release()
    await told.has('connectionClosed')
    await quietTime(20)
    expect((await held.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    expect(told.of('connectionClosed')).toMatchObject([
      { connectionId: idle.id, reason: 'lifetime' },
    ])
    await held.release()
    const [, closed] = await told.has('connectionClosed', 2)
    expect(closed).toMatchObject({ connectionId: held.id, reason: 'lifetime' })
  })

  test('is shorter by up to a tenth, so that not all go at once', async () => {
    const LIFETIME_MS = 1_500
    const blender = await stub()
    /** Over how long thirty go that were opened together. */
    const spread = async () => {
      const connections = pool(blender, {
        ...OFF,
        maxConnections: 30,
        maxConnecting: 30,
        maxLifetimeMs: LIFETIME_MS,
        maintenanceIntervalMs: 1,
      })
      const told = new Chronicle(connections, ['connectionClosed'])
      const begun = performance.now()
      const closedAt = []
      connections.on('connectionClosed', () => closedAt.push(performance.now()))
      const held = await Promise.all(Array.from({ length: 30 }, () => connections.acquire()))
      const openedMs = performance.now() - begun
      for (const connection of held) await connection.release()
      await told.has('connectionClosed', 30)
      expect(Math.min(...closedAt) - begun).toBeGreaterThan(0.9 * LIFETIME_MS - 5)
      return Math.max(...closedAt) - Math.min(...closedAt) - openedMs
    }
    // Without it they would go as close together as they came. A machine that stands still for a
    // while hides it: of a few rounds one shows.
    let widest = 0
    for (let round = 0; round < 5 && widest < 40; round++) widest = Math.max(widest, await spread())
    expect(widest).toBeGreaterThanOrEqual(40)
  })
})

describe('maxUses', () => {
  test('counts commands and holders alike, and closes at the last of them', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...OFF, maxUses: 3, maxConnections: 1 })
    const told = new Chronicle(connections)
    for (let n = 0; n < 6; n++) await connections.execute(ask('worker', { n }))
    await told.has('connectionClosed', 2)
    expect(blender.requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 2, 2, 2])
    for (let n = 0; n < 3; n++) await connections.use(() => {})
    const closed = await told.has('connectionClosed', 3)
    expect(closed.map(({ connectionId, reason }) => [connectionId, reason])).toEqual([
      [1, 'uses'],
      [2, 'uses'],
      [3, 'uses'],
    ])
    expect(connections.stats()).toMatchObject({ closed: { uses: 3 }, created: 3 })
    expect(told.faults()).toEqual([])
  })

  test('never cuts a holder, however much it uses', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...OFF, maxUses: 2, maxConnections: 1 })
    const held = await connections.acquire()
    for (let n = 0; n < 10; n++) {
      expect((await held.execute(ask('worker', { n }))).result).toEqual({ n })
    }
    await held.release()
    await eventually(() => connections.stats().total === 0)
    expect(blender.accepted).toBe(1)
  })
})

describe('idleOrder', () => {
  test.each([
    ['lifo', (ids) => ids.toReversed()],
    ['fifo', (ids) => ids],
  ])('%s', async (idleOrder, expected) => {
    const blender = await stub()
    const connections = pool(blender, { ...OFF, idleOrder })
    const ids = await openIdle(connections, 5)
    const held = await Promise.all(ids.map(() => connections.acquire()))
    expect(held.map(({ id }) => id)).toEqual(expected(ids))
    for (const connection of held) await connection.release()
  })

  test.each([
    ['lifo', 1],
    ['fifo', 3],
  ])('%s, one call after another: %d connections have work', async (idleOrder, busy) => {
    const blender = await stub()
    const connections = pool(blender, { ...OFF, idleOrder })
    await openIdle(connections, 3)
    for (let n = 0; n < 9; n++) await connections.execute(ask('worker', { n }))
    const used = new Set(blender.requests.map(({ connection }) => connection))
    expect(used.size).toBe(busy)
  })
})
