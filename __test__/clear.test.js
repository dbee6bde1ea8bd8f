'use strict'

// A pool that is paused gives nothing out; one that is cleared uses nothing again that was open before.
// The words and their meaning are those of the MongoDB specification of connection pools.

const { arena, eventually, openIdle, outcome, turn } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

/** What every call is told that a paused pool does not serve. */
const CLEARED = { code: 'ERR_POOL_CLEARED', delivered: 'no', retryable: true }
const SLOW = { maintenanceIntervalMs: 0, healthCheckIntervalMs: 0 }

describe('a paused pool', () => {
  test('refuses every call at once, and keeps what is open', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...SLOW, maxConnections: 2 })
    await openIdle(connections, 2)

    connections.pause()

    expect(connections.state).toBe('paused')
    for (const call of [
      () => connections.acquire(),
      () => connections.execute(ask('worker')),
      () => connections.use(() => {}),
      () => connections.warm(),
    ]) {
      expect((await outcome(call())).error).toMatchObject(CLEARED)
    }
    expect(() => connections.tryAcquire()).toThrow(expect.objectContaining(CLEARED))
    expect(connections.stats()).toMatchObject({ idle: 2, total: 2, waiting: 0 })
    expect(blender).toMatchObject({ requests: [], open: 2 })

    connections.ready()

    expect(connections.state).toBe('ready')
    expect((await connections.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    expect(blender.accepted).toBe(2)
  })

  test('lets the holders and what runs go on', async () => {
    const blender = await stub({ answer: () => {} })
    const connections = pool(blender, { ...SLOW, maxConnections: 2 })
    const held = await connections.acquire()
    const running = connections.execute(ask('worker', { n: 1 }))
    await blender.until(({ requests }) => requests.length === 1)

    connections.pause()

    const theirs = held.execute(ask('worker', { n: 2 }))
    await blender.until(({ requests }) => requests.length === 2)
    for (const request of blender.requests) request.reply(request.asked)
    expect((await running).result).toEqual({ n: 1 })
    expect((await theirs).result).toEqual({ n: 2 })
    await held.release()
    expect(connections.stats()).toMatchObject({ idle: 2, inUse: 0 })
  })

  test('turns down those who wait, who may come again', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...SLOW, maxConnections: 1 })
    const held = await connections.acquire()
    const waiting = [connections.acquire(), connections.execute(ask('worker'))].map(outcome)

    connections.pause()

    for (const { error } of await Promise.all(waiting)) expect(error).toMatchObject(CLEARED)
    await held.release()
    connections.ready()
    await connections.execute(ask('worker'))
    expect(blender.requests).toHaveLength(1)
  })

  test('twice is as once, and so is ready', async () => {
    const blender = await stub()
    const connections = pool(blender, SLOW)
    const told = new Chronicle(connections)
    await connections.execute(ask('worker'))
    for (let times = 0; times < 3; times++) connections.pause()
    for (let times = 0; times < 3; times++) connections.ready()
    await connections.execute(ask('worker'))
    await connections.close()
    expect(told.names(({ event }) => event.startsWith('pool'))).toEqual([
      'poolCreated',
      'poolReady',
      'poolReady',
      'poolClosed',
    ])
  })

  test('closes like any other', async () => {
    const blender = await stub()
    const connections = pool(blender, SLOW)
    await openIdle(connections, 2)
    connections.pause()
    await connections.close()
    for (const order of [
      () => connections.pause(),
      () => connections.ready(),
      () => connections.clear(),
      () => connections.resize({ maxConnections: 3 }),
    ]) {
      expect(order).toThrow(expect.objectContaining({ code: 'ERR_POOL_CLOSED' }))
    }
    expect(connections.state).toBe('closed')
  })
})

describe("start: 'paused'", () => {
  test('opens nothing and serves nobody until ready()', async () => {
    const blender = await stub()
    const connections = pool(blender, { start: 'paused', minConnections: 2, ...SLOW })
    const told = new Chronicle(connections)
    expect(connections.state).toBe('paused')
    expect((await outcome(connections.acquire())).error).toMatchObject(CLEARED)
    expect((await outcome(connections.execute('ping'))).error).toMatchObject(CLEARED)
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(blender.accepted).toBe(0)
    expect(told.names(({ event }) => event.startsWith('pool'))).toEqual(['poolCreated'])

    connections.ready()
    await connections.warm()

    expect(connections.stats()).toMatchObject({ idle: 2, total: 2 })
    expect(told.names(({ event }) => event.startsWith('pool'))).toEqual([
      'poolCreated',
      'poolReady',
    ])
  })
})

describe('clear', () => {
  test('closes what is idle as stale, pauses, and opens anew after ready()', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...SLOW, maxConnections: 3 })
    const told = new Chronicle(connections)
    const before = await openIdle(connections, 3)

    connections.clear()

    expect(connections.state).toBe('paused')
    expect((await outcome(connections.acquire())).error).toMatchObject(CLEARED)
    await told.has('connectionClosed', 3)
    expect(told.of('poolCleared')).toEqual([{ event: 'poolCleared', interruptInUse: false }])
    expect(told.of('connectionClosed').map(({ reason }) => reason)).toEqual([
      'stale',
      'stale',
      'stale',
    ])
    await blender.until(({ open }) => open === 0)

    connections.ready()
    const after = await openIdle(connections, 1)

    expect(before).not.toContain(after[0])
    expect(connections.stats()).toMatchObject({ closed: { stale: 3 }, total: 1 })
    expect(told.faults()).toEqual([])
  })

  test('lets a holder finish, and closes its connection when it is given back', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...SLOW, maxConnections: 1 })
    const told = new Chronicle(connections)
    const held = await connections.acquire()

    connections.clear()
    connections.ready()

    expect((await held.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    expect(held.inUse).toBe(true)
    await turn()
    const waiting = connections.acquire()
    await turn()
    expect(blender.accepted).toBe(1)
    await held.release()
    const [closed] = await told.has('connectionClosed')
    expect(closed).toMatchObject({ connectionId: held.id, reason: 'stale' })
    expect((await waiting).id).not.toBe(held.id)
    await (await waiting).release()
    await told.has('connectionCheckedIn', 2)
    expect(told.faults()).toEqual([])
  })

  test('lets a running command finish, and closes its connection after it', async () => {
    const blender = await stub({ answer: () => {} })
    const connections = pool(blender, { ...SLOW, maxConnections: 1 })
    const told = new Chronicle(connections)
    const running = connections.execute(ask('worker', { n: 1 }))
    await blender.until(({ requests }) => requests.length === 1)
    connections.clear()
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(blender.open).toBe(1)
    blender.requests[0].reply({ n: 1 })
    expect((await running).result).toEqual({ n: 1 })
    const [closed] = await told.has('connectionClosed')
    expect(closed).toMatchObject({ reason: 'stale' })
    expect(closed.error).toBeUndefined()
  })

  test('with interruptInUse cuts the holders and what runs, who are told whether it may have run', async () => {
    const blender = await stub({ answer: () => {} })
    const connections = pool(blender, { ...SLOW, maxConnections: 3, drainTimeoutMs: 100 })
    const told = new Chronicle(connections)
    const quiet = await connections.acquire()
    const busy = await connections.acquire()
    const calls = [
      busy.execute(ask('worker', { n: 1 })),
      busy.execute(ask('worker', { n: 2 })),
      connections.execute(ask('worker', { n: 3 })),
    ].map(outcome)
    await blender.until(({ requests }) => requests.length === 2)

    connections.clear({ interruptInUse: true })

    const [running, behind, single] = await Promise.all(calls)
    expect(running.error).toMatchObject({ ...CLEARED, delivered: 'maybe', retryable: false })
    expect(behind.error).toMatchObject({ ...CLEARED, retryable: expect.any(Boolean) })
    expect(single.error).toMatchObject({ ...CLEARED, delivered: 'maybe', retryable: false })
    const { error } = await outcome(quiet.execute(ask('worker')))
    expect(error).toMatchObject({ delivered: 'no', connectionId: quiet.id })
    await quiet.release()
    await busy.release()
    await told.has('connectionClosed', 3)
    expect(told.of('poolCleared')).toEqual([{ event: 'poolCleared', interruptInUse: true }])
    expect(connections.stats()).toMatchObject({ total: 0, inUse: 0, closed: { stale: 3 } })
    expect(told.faults()).toEqual([])
  })

  test('turns down those who wait at once, though a connection is being opened for them', async () => {
    const pings = []
    const blender = await stub({ ping: (request) => pings.push(request) })
    const connections = pool(blender, { ...SLOW, maxConnections: 1 })
    const told = new Chronicle(connections)
    const waiting = [connections.acquire(), connections.execute(ask('worker'))].map(outcome)
    await blender.until(() => pings.length === 1)

    connections.clear()

    for (const { error } of await Promise.all(waiting)) expect(error).toMatchObject(CLEARED)
    const [closed] = await told.has('connectionClosed')
    expect(closed).toMatchObject({ connectionId: 1, reason: 'stale' })
    await blender.until(({ open }) => open === 0)
    expect(told.of('connectionCheckOutFailed').map(({ reason }) => reason)).toEqual([
      'connectionError',
      'connectionError',
    ])
    expect(connections.stats()).toMatchObject({ waiting: 0, total: 0 })
  })

  test('of a paused pool says nothing again, and makes stale what is held all the same', async () => {
    const blender = await stub()
    const connections = pool(blender, SLOW)
    const told = new Chronicle(connections)
    const held = await connections.acquire()
    connections.pause()
    connections.clear()
    connections.clear()
    connections.ready()
    await held.release()
    const [closed] = await told.has('connectionClosed')
    expect(closed).toMatchObject({ connectionId: held.id, reason: 'stale' })
    expect(told.of('poolCleared')).toEqual([])
  })

  test('says so first, then fails those who wait', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...SLOW, maxConnections: 1 })
    const held = await connections.acquire()
    const told = new Chronicle(connections)
    const waiting = outcome(connections.acquire())
    connections.clear()
    await waiting
    await held.release()
    await told.has('connectionClosed')
    expect(told.names()).toEqual([
      'connectionCheckOutStarted',
      'poolCleared',
      'connectionCheckOutFailed',
      'connectionCheckedIn',
      'connectionClosed',
    ])
  })

  describe('of one endpoint', () => {
    async function twoBlenders(options) {
      const [a, b] = await Promise.all([stub(), stub()])
      const connections = pool(null, {
        ...SLOW,
        dialect: 'worker',
        endpoints: [
          { name: 'a', address: a.address },
          { name: 'b', address: b.address },
        ],
        ...options,
      })
      return { a, b, connections }
    }

    test('leaves the others alone and does not pause', async () => {
      const { a, b, connections } = await twoBlenders({ maxConnections: 4 })
      const told = new Chronicle(connections)
      const held = {}
      for (const endpoint of ['a', 'b']) {
        const [one, two] = await Promise.all([
          connections.acquire({ endpoint }),
          connections.acquire({ endpoint }),
        ])
        await two.release()
        held[endpoint] = one
      }
      expect(connections.stats()).toMatchObject({ idle: 2, inUse: 2 })

      connections.clear({ endpoint: 'a' })

      expect(connections.state).toBe('ready')
      const [closed] = await told.has('connectionClosed')
      expect(closed).toMatchObject({ endpoint: 'a', reason: 'stale' })
      expect(told.of('poolCleared')).toEqual([
        { event: 'poolCleared', endpoint: 'a', interruptInUse: false },
      ])
      const again = await connections.acquire({ endpoint: 'a' })
      await again.release()
      await held.a.release()
      await held.b.release()
      await told.has('connectionClosed', 2)
      expect(told.of('connectionClosed').map(({ endpoint }) => endpoint)).toEqual(['a', 'a'])
      expect(connections.endpoints().map(({ generation }) => generation)).toEqual([1, 0])
      expect([a.accepted, b.accepted]).toEqual([3, 2])
      expect(b.open).toBe(2)
    })

    test('turns down those who wait for it, and no others', async () => {
      const { connections } = await twoBlenders({ maxConnections: 2 })
      const held = [
        await connections.acquire({ endpoint: 'a' }),
        await connections.acquire({ endpoint: 'b' }),
      ]
      const forA = outcome(connections.acquire({ endpoint: 'a' }))
      const forB = outcome(connections.acquire({ endpoint: 'b' }))
      connections.clear({ endpoint: 'a' })
      expect((await forA).error).toMatchObject(CLEARED)
      await held[1].release()
      const { value } = await forB
      expect(value.endpoint).toBe('b')
      await value.release()
      await held[0].release()
    })

    test('that nobody knows is refused', async () => {
      const { connections } = await twoBlenders()
      expect(() => connections.clear({ endpoint: 'c' })).toThrow(
        expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }),
      )
    })
  })
})

test('what a listener sees of a life with everything in it is in order', async () => {
  const blender = await stub()
  const connections = pool(blender, { ...SLOW, maxConnections: 1 })
  const told = new Chronicle(connections)
  const held = await connections.acquire()
  await held.execute(ask('worker'))
  await held.release()
  await connections.execute(ask('worker'))
  connections.clear()
  await told.has('connectionClosed')
  await outcome(connections.acquire())
  connections.ready()
  await (await connections.acquire()).discard()
  await eventually(() => connections.stats().total === 0)
  await connections.close()
  await told.has('poolClosed')
  const at = (connectionId) => ({ connectionId, endpoint: blender.address })
  const took = { durationMs: expect.any(Number) }
  expect(told.entries).toMatchObject([
    { event: 'poolCreated' },
    { event: 'poolReady' },
    { event: 'connectionCheckOutStarted' },
    { event: 'connectionCreated', ...at(1) },
    { event: 'connectionReady', ...at(1), ...took, dialect: 'worker' },
    { event: 'connectionCheckedOut', ...at(1), ...took },
    { event: 'connectionCheckedIn', ...at(1), ...took },
    { event: 'connectionCheckOutStarted' },
    { event: 'connectionCheckedOut', ...at(1), ...took },
    { event: 'connectionCheckedIn', ...at(1), ...took },
    { event: 'poolCleared', interruptInUse: false },
    { event: 'connectionClosed', ...at(1), reason: 'stale' },
    { event: 'connectionCheckOutStarted' },
    {
      event: 'connectionCheckOutFailed',
      ...took,
      reason: 'connectionError',
      error: { code: 'ERR_POOL_CLEARED' },
    },
    { event: 'poolReady' },
    { event: 'connectionCheckOutStarted' },
    { event: 'connectionCreated', ...at(2) },
    { event: 'connectionReady', ...at(2) },
    { event: 'connectionCheckedOut', ...at(2) },
    { event: 'connectionCheckedIn', ...at(2) },
    { event: 'connectionClosed', ...at(2), reason: 'discarded' },
    { event: 'poolClosed' },
  ])
  expect(told.entries).toHaveLength(22)
  for (const { durationMs } of told.entries) {
    if (durationMs !== undefined) expect(durationMs).toBeGreaterThanOrEqual(0)
  }
  expect(told.faults()).toEqual([])
})
