'use strict'

// Who is served when not all can be: the more important first, nobody never; some are told early when
// waiting has become pointless for all; and nobody for longer than it said.

const { arena, openIdle, outcome, quietTime } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { record } = require('./support/figures')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

const STILL = { idleTimeoutMs: 0, maxLifetimeMs: 0, healthCheckIntervalMs: 0 }

/** Everybody waits, then all are served over one connection: the order in which that was. */
async function served(priorities, take) {
  const blender = await stub()
  const connections = pool(blender, { ...STILL, maxConnections: 1 })
  const held = await connections.acquire()
  const order = []
  const waiting = priorities.map((priority, n) => take(connections, { priority }, n, order))
  expect(connections.stats().waiting).toBe(priorities.length)
  await held.release()
  await Promise.all(waiting)
  return order
}

const TAKES = {
  acquire: (connections, options, n, order) =>
    connections.use(() => {
      order.push(n)
    }, options),
  execute: async (connections, options, n, order) => {
    await connections.execute(ask('worker', { n }), options)
    order.push(n)
  },
}

describe.each(Object.entries(TAKES))('priority of %s', (_name, take) => {
  test('higher ones go first, equal ones as they came', async () => {
    expect(await served([0, -100, 100, 0, 5, 100, undefined, -1, 5], take)).toEqual([
      2, 5, 4, 8, 0, 3, 6, 7, 1,
    ])
  })

  test('the same for all, or none: first come, first served', async () => {
    const everybody = Array.from({ length: 30 }, (_, n) => n)
    expect(
      await served(
        everybody.map(() => 7),
        take,
      ),
    ).toEqual(everybody)
  })

  test('the least important is served though more important ones never cease to come', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...STILL, maxConnections: 1 })
    let isServed = false
    let passed = 0
    const held = await connections.acquire()
    const flood = Array.from({ length: 4 }, async () => {
      while (!isServed && passed < 20_000) {
        await take(connections, { priority: 100 }, 0, [])
        passed++
      }
    })
    const least = take(connections, { priority: -100 }, 1, []).then(() => {
      isServed = true
    })
    await held.release()
    await least
    await Promise.all(flood)
    record('calls that went before the least important one', passed, '')
    expect(passed).toBeGreaterThan(4)
    expect(passed).toBeLessThan(20_000)
  })
})

test('who gets an idle connection at once is told after those who were served before', async () => {
  const blender = await stub()
  const connections = pool(blender, { ...STILL, maxConnections: 2 })
  const [one, two] = await Promise.all([connections.acquire(), connections.acquire()])
  const order = []
  const take = async (name, options) => {
    await connections.use(() => order.push(name), options)
  }
  // One with a limit of its own waits in native code.
  const waiting = take('waited', { timeoutMs: 60_000 })
  expect(connections.stats().waiting).toBe(1)
  // Served now, and told when the event loop comes round; meanwhile the other connection is idle.
  await Promise.all([one.release(), two.release()])
  expect(connections.stats()).toMatchObject({ waiting: 0, idle: 1 })
  await Promise.all([waiting, take('came later')])
  expect(order).toEqual(['waited', 'came later'])
})

test.each([
  [1.5],
  [101],
  [-101],
  ['high'],
  [null],
  [Number.NaN],
])('priority %p is refused', async (priority) => {
  const blender = await stub()
  const connections = pool(blender)
  for (const call of [
    connections.acquire({ priority }),
    connections.execute('ping', { priority }),
  ]) {
    expect((await outcome(call)).error).toMatchObject({ code: 'ERR_POOL_INVALID_OPTION' })
  }
})

describe('queueTargetMs', () => {
  /** A Blender that takes 5 ms for each, one connection, and 60 callers at once. */
  async function overload(options) {
    const blender = await stub({
      answer: (request) => setTimeout(() => request.reply(request.asked), 5),
    })
    const connections = pool(blender, { ...STILL, maxConnections: 1, ...options })
    const told = new Chronicle(connections)
    await connections.execute(ask('worker'))
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_, n) => outcome(connections.execute(ask('worker', { n })))),
    )
    const dropped = outcomes.filter(({ error }) => error)
    return { blender, connections, told, outcomes, dropped }
  }

  test('drops callers who have waited far too long for a queue that never drains, and tells them', async () => {
    const { blender, connections, told, outcomes, dropped } = await overload({
      queueTargetMs: 5,
      queueIntervalMs: 20,
    })
    expect(dropped.length).toBeGreaterThan(3)
    expect(dropped.length).toBeLessThan(60)
    for (const { error } of dropped) {
      expect(error).toMatchObject({
        code: 'ERR_POOL_QUEUE_FULL',
        delivered: 'no',
        retryable: true,
      })
    }
    // Behind the last one nobody waits.
    expect(outcomes.at(-1).value?.result).toEqual({ n: 59 })
    expect(connections.stats()).toMatchObject({ dropped: dropped.length, waiting: 0 })
    expect(blender.requests).toHaveLength(61 - dropped.length)
    expect(told.of('connectionCheckOutFailed').map(({ reason }) => reason)).toEqual(
      dropped.map(() => 'queueFull'),
    )
    expect(told.faults()).toEqual([])
    record('dropped of 60 callers, target 5 ms', dropped.length, '')
  })

  test('0: nobody is dropped, however long it takes', async () => {
    const { connections, dropped } = await overload({ queueTargetMs: 0, queueIntervalMs: 1 })
    expect(dropped).toEqual([])
    expect(connections.stats()).toMatchObject({ dropped: 0 })
  })

  test('a burst that passes within the interval loses nobody', async () => {
    const { dropped } = await overload({ queueTargetMs: 1, queueIntervalMs: 60_000 })
    expect(dropped).toEqual([])
  })
})

describe('timeoutMs is one budget', () => {
  const BUDGET_MS = 1_000
  /** Had each part the whole budget for itself, it would take this long and more. */
  const TWICE_MS = 1_700

  test('over waiting for a connection and for the reply', async () => {
    const blender = await stub({ answer: () => {} })
    const connections = pool(blender, { ...STILL, maxConnections: 1, drainTimeoutMs: 10 })
    const held = await connections.acquire()
    const begun = performance.now()
    const call = outcome(connections.execute(ask('worker'), { timeoutMs: BUDGET_MS }))
    await quietTime(700)
    await held.release()
    await blender.until(({ requests }) => requests.length === 1)
    const { error } = await call
    const tookMs = performance.now() - begun
    expect(error).toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT', delivered: 'maybe' })
    expect(error.message).toContain(`${BUDGET_MS} ms (timeoutMs)`)
    expect(tookMs).toBeGreaterThan(BUDGET_MS - 5)
    expect(tookMs).toBeLessThan(TWICE_MS)
  })

  test('over waiting for a slot and for it to be opened', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...STILL, maxConnections: 1 })
    const held = await connections.acquire()
    blender.ping = () => {}
    const begun = performance.now()
    const call = outcome(connections.acquire({ timeoutMs: BUDGET_MS }))
    await quietTime(700)
    await held.discard()
    await blender.until(({ accepted }) => accepted === 2)
    const { error } = await call
    const tookMs = performance.now() - begun
    expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no' })
    expect(tookMs).toBeGreaterThan(BUDGET_MS - 5)
    expect(tookMs).toBeLessThan(TWICE_MS)
  })

  test('though the limits of the parts are longer or shorter, the first that is over ends it', async () => {
    const blender = await stub({ answer: () => {} })
    const connections = pool(blender, {
      ...STILL,
      maxConnections: 1,
      acquireTimeoutMs: 1_000,
      commandTimeoutMs: 60_000,
    })
    await openIdle(connections, 1)
    const running = outcome(connections.execute(ask('worker'), { timeoutMs: 300 }))
    await blender.until(({ requests }) => requests.length === 1)
    const waiting = outcome(connections.acquire({ timeoutMs: 60_000 }))
    expect((await running).error).toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT' })
    expect((await waiting).error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' })
  })
})
