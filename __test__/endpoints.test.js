'use strict'

// Several Blenders behind one pool: by name, by affinity, by load; one that is dead is passed over, and
// when all are dead callers are told so, at once and with the real cause.

const { arena, eventually, openIdle, outcome, turn } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { record } = require('./support/figures')
const { quietPort } = require('./support/quiet-port')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

const NAMES = ['a', 'b', 'c']

/** `count` Blenders named a, b, c, and a pool for all of them. */
async function several(count, options = {}) {
  const names = NAMES.slice(0, count)
  const blenders = await Promise.all(names.map(() => stub()))
  const endpoints = names.map((name, at) => ({ name, address: blenders[at].address }))
  const connections = pool(null, { dialect: 'worker', endpoints, maxConnections: 12, ...options })
  return { blenders, endpoints, connections }
}

/** Pauses between attempts so long that no second one comes while a test looks. */
const NO_SECOND_TRY = { retryBackoffMs: 2 ** 31 - 1, maxRetryBackoffMs: 2 ** 31 - 1 }

describe('by name', () => {
  test('a call goes there and nowhere else', async () => {
    const { blenders, connections } = await several(3)
    await Promise.all(
      Array.from({ length: 90 }, (_, n) =>
        connections.execute(ask('worker', { n }), { endpoint: NAMES[n % 3] }),
      ),
    )
    blenders.forEach(({ requests }, at) => {
      expect(requests).toHaveLength(30)
      expect(requests.every(({ asked }) => asked.n % 3 === at)).toBe(true)
    })
    for (const endpoint of NAMES) {
      expect(await connections.use((held) => held.endpoint, { endpoint })).toBe(endpoint)
      expect(connections.tryAcquire({ endpoint })).toMatchObject({ endpoint })
    }
  })

  test('nobody knows: the call is refused', async () => {
    const { connections } = await several(2)
    const { error } = await outcome(connections.execute('ping', { endpoint: 'z' }))
    expect(error).toMatchObject({ code: 'ERR_POOL_INVALID_OPTION', delivered: 'no' })
    expect(error.message).toContain('"z"')
  })
})

describe('by affinity', () => {
  const KEYS = Array.from({ length: 60 }, (_, n) => (n % 2 ? `scene ${n}` : n))

  /** Which Blender each key's calls came to. */
  async function homes(connections, blenders, keys = KEYS, rounds = 3) {
    const marks = blenders.map(({ requests }) => requests.length)
    for (let round = 0; round < rounds; round++) {
      await Promise.all(
        keys.map((affinity, key) => connections.execute(ask('worker', { key }), { affinity })),
      )
    }
    const homes = new Map()
    blenders.forEach(({ requests }, at) => {
      for (const { asked } of requests.slice(marks[at])) {
        if (!homes.has(asked.key)) homes.set(asked.key, new Set())
        homes.get(asked.key).add(NAMES[at])
      }
    })
    return keys.map((_, key) => [...homes.get(key)])
  }

  test('one key has one Blender, and the keys are spread', async () => {
    const { blenders, connections } = await several(3)
    const found = await homes(connections, blenders)
    expect(found.every((names) => names.length === 1)).toBe(true)
    const counts = NAMES.map((name) => found.filter(([one]) => one === name).length)
    for (const count of counts) expect(count).toBeGreaterThan(KEYS.length / 10)
  })

  test('another pool, that lists them in another order, finds the same one', async () => {
    const { blenders, endpoints, connections } = await several(3)
    const other = pool(null, {
      dialect: 'worker',
      endpoints: endpoints.toReversed(),
      maxConnections: 12,
    })
    expect(await homes(other, blenders)).toEqual(await homes(connections, blenders))
  })

  test('a connection to hold comes from the same one as commands', async () => {
    const { blenders, connections } = await several(3)
    const found = await homes(connections, blenders, KEYS.slice(0, 9), 1)
    for (const [key, affinity] of KEYS.slice(0, 9).entries()) {
      expect(await connections.use(({ endpoint }) => [endpoint], { affinity })).toEqual(found[key])
    }
  })

  test('while one Blender is dead its keys go elsewhere, the others stay, and they come back', async () => {
    const { blenders, connections } = await several(3, {
      retryBackoffMs: 5,
      maxRetryBackoffMs: 10,
      connectRetryMs: 60_000,
    })
    const told = new Chronicle(connections)
    const before = await homes(connections, blenders)
    const [dead] = blenders
    const { port, meet } = dead
    dead.meet = (_n, socket) => socket.resetAndDestroy() && false
    dead.kill()
    // Somebody has to notice.
    const noticing = KEYS.filter((_, key) => before[key][0] === 'a').map((affinity) =>
      outcome(connections.execute(ask('worker'), { affinity })),
    )
    await told.has('endpointDown')
    await Promise.all(noticing)

    const meanwhile = await homes(connections, blenders)

    before.forEach(([name], key) => {
      if (name === 'a') expect(['b', 'c']).toContain(meanwhile[key][0])
      else expect(meanwhile[key]).toEqual([name])
    })
    dead.meet = meet
    expect(dead.port).toBe(port)
    // Callers that are sent elsewhere make the pool look whether it is back.
    while (told.of('endpointUp').length === 0) {
      await connections.execute(ask('worker'), { affinity: KEYS[0] })
      await connections.execute(ask('worker'), { affinity: KEYS[1] })
      await Promise.all(
        KEYS.map((affinity) => connections.execute(ask('worker', { n: 0 }), { affinity })),
      )
    }
    expect(await homes(connections, blenders)).toEqual(before)
  })
})

describe('by load', () => {
  test('calls go to the Blender that answers, and leave alone the one that is busy', async () => {
    const { blenders, connections } = await several(2, { maxConnections: 8 })
    const [busy, free] = blenders
    for (const endpoint of ['a', 'b']) {
      const held = await Promise.all([1, 2, 3, 4].map(() => connections.acquire({ endpoint })))
      for (const connection of held) await connection.release()
    }
    busy.answer = () => {}
    const stuck = connections.execute(ask('worker', { n: 'stuck' }), { endpoint: 'a' })
    await busy.until(({ requests }) => requests.length === 1)
    for (let n = 0; n < 40; n++) {
      // Whatever goes to the busy one stays there.
      const call = connections.execute(ask('worker', { n }))
      await Promise.race([call, busy.until(({ requests }) => requests.length > 4)])
    }
    record('of 40 calls one by one, to the busy one of two', busy.requests.length - 1, '')
    expect(free.requests.length).toBe(40)
    for (const request of busy.requests) request.reply({})
    await stuck
  })

  test('of equals, each has its share', async () => {
    const { blenders, connections } = await several(3)
    for (const endpoint of NAMES) {
      const held = await Promise.all([1, 2, 3, 4].map(() => connections.acquire({ endpoint })))
      for (const connection of held) await connection.release()
    }
    await Promise.all(
      Array.from({ length: 600 }, (_, n) => connections.execute(ask('worker', { n }))),
    )
    for (const { requests } of blenders) expect(requests.length).toBeGreaterThan(60)
  })
})

describe('when one is dead', () => {
  test('calls for any go to the others, and not one of them fails or dials it again and again', async () => {
    const alive = await stub()
    let attempts = 0
    const dead = await stub({
      meet: (_n, socket) => {
        attempts++
        return socket.resetAndDestroy() && false
      },
    })
    const connections = pool(null, {
      dialect: 'worker',
      ...NO_SECOND_TRY,
      endpoints: [
        { name: 'dead', address: dead.address },
        { name: 'alive', address: alive.address },
      ],
    })
    const told = new Chronicle(connections)
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 10 }, () => connections.execute(ask('worker'))))
      expect(await connections.use(({ endpoint }) => endpoint)).toBe('alive')
    }
    expect(alive.requests).toHaveLength(200)
    expect(attempts).toBeLessThanOrEqual(2)
    expect(told.of('endpointDown').length).toBeLessThanOrEqual(1)
  })

  test('who names it is told why, and soon', async () => {
    const alive = await stub()
    const connections = pool(null, {
      dialect: 'worker',
      connectRetryMs: 0,
      ...NO_SECOND_TRY,
      endpoints: [
        { name: 'dead', address: `127.0.0.1:${await quietPort()}` },
        { name: 'alive', address: alive.address },
      ],
    })
    for (let round = 0; round < 10; round++) {
      for (const call of [
        () => connections.execute('ping', { endpoint: 'dead' }),
        () => connections.acquire({ endpoint: 'dead' }),
      ]) {
        const { error } = await outcome(call())
        expect(error).toMatchObject({
          code: expect.stringMatching(/^ERR_POOL_(CONNECT|ENDPOINT_DOWN)$/),
          endpoint: 'dead',
          delivered: 'no',
          retryable: true,
          cause: { code: 'ECONNREFUSED' },
        })
      }
    }
    const [dead, other] = connections.endpoints()
    expect(dead).toMatchObject({ name: 'dead', state: 'down', total: 0 })
    expect(dead.failures).toBeGreaterThanOrEqual(1)
    expect(dead.lastError).toMatch(/refused/i)
    expect(dead.retryInMs).toBeGreaterThan(0)
    expect(other).toMatchObject({ name: 'alive', failures: 0, lastError: null })
  })
})

describe('when all are dead', () => {
  test('callers are told so at once, with the real cause, and without a new attempt', async () => {
    const connections = pool(null, {
      dialect: 'worker',
      connectRetryMs: 0,
      ...NO_SECOND_TRY,
      endpoints: [
        { name: 'a', address: `127.0.0.1:${await quietPort()}` },
        { name: 'b', address: `127.0.0.1:${await quietPort()}` },
      ],
    })
    const told = new Chronicle(connections)
    await outcome(connections.execute('ping'))
    await told.has('endpointDown', 2)
    await eventually(() => connections.stats().total === 0)
    const attempts = told.of('connectionCreated').length
    const errors = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const call = n % 2 ? connections.execute('ping') : connections.acquire()
        return (await outcome(call)).error
      }),
    )
    for (const error of errors) {
      expect(error).toMatchObject({
        code: 'ERR_POOL_ENDPOINT_DOWN',
        delivered: 'no',
        retryable: true,
        cause: { code: 'ECONNREFUSED', syscall: 'connect' },
      })
      expect(error.message).toMatch(/a: .*b: /)
    }
    expect(told.of('connectionCreated')).toHaveLength(attempts)
    expect(told.faults()).toEqual([])
  })
})

test('endpointDown and endpointUp come once each, however many calls and attempts failed', async () => {
  const { blenders, connections } = await several(2, {
    connectRetryMs: 20,
    retryBackoffMs: 2,
    maxRetryBackoffMs: 4,
  })
  const told = new Chronicle(connections)
  const [, doomed] = blenders
  await openIdle(connections, 3, { endpoint: 'b' })
  const { meet } = doomed
  for (let outage = 1; outage <= 2; outage++) {
    doomed.meet = (_n, socket) => socket.resetAndDestroy() && false
    doomed.kill()
    const failing = []
    for (let n = 0; n < 20; n++) {
      failing.push(outcome(connections.execute(ask('worker'), { endpoint: 'b' })))
      await turn()
    }
    await Promise.all(failing)
    await told.has('endpointDown', outage)
    expect(connections.endpoints()[1].state).toMatch(/^(down|probing)$/)
    doomed.meet = meet
    while ((await outcome(connections.execute(ask('worker'), { endpoint: 'b' }))).error)
      await turn()
    await told.has('endpointUp', outage)
    expect(connections.endpoints()[1]).toMatchObject({ state: 'up', failures: 0 })
  }
  expect(told.names(({ event }) => event.startsWith('endpoint'))).toEqual([
    'endpointDown',
    'endpointUp',
    'endpointDown',
    'endpointUp',
  ])
  for (const { endpoint, error, failures } of told.of('endpointDown')) {
    expect(endpoint).toBe('b')
    expect(failures).toBeGreaterThanOrEqual(1)
    expect(error).toMatchObject({ name: 'PoolError', cause: expect.anything() })
  }
  for (const { endpoint, downMs } of told.of('endpointUp')) {
    expect(endpoint).toBe('b')
    expect(downMs).toBeGreaterThan(0)
  }
  expect(told.faults()).toEqual([])
})

test('the figures of the endpoints add up to those of the pool', async () => {
  const { blenders, connections } = await several(3, { maxUses: 7, maxConnections: 6 })
  blenders[2].answer = (request) => request.fail('no such object')
  await Promise.all(
    Array.from({ length: 150 }, async (_, n) => {
      if (n % 5 === 0) await connections.use((held) => held.execute(ask('worker', { n })))
      else if (n % 17 === 1) await (await connections.acquire()).discard()
      else await connections.execute(ask('worker', { n }), { affinity: n })
    }),
  )
  await connections.checkHealth()
  const { endpoints, ...stats } = connections.stats()
  const sum = (name) => endpoints.reduce((all, endpoint) => all + endpoint[name], 0)
  for (const name of [
    ...['total', 'idle', 'inUse', 'connecting', 'unusable', 'waiting'],
    ...['acquired', 'released', 'created', 'connectFailures', 'commands', 'commandErrors'],
    ...['healthChecks', 'healthCheckFailures', 'leaks', 'reclaimed', 'hookFailures', 'desyncs'],
  ]) {
    expect([name, sum(name)]).toEqual([name, stats[name]])
  }
  for (const reason of Object.keys(stats.closed)) {
    const ofAll = endpoints.reduce((all, { closed }) => all + closed[reason], 0)
    expect([reason, ofAll]).toEqual([reason, stats.closed[reason]])
  }
  for (const name of ['waitMs', 'useMs', 'connectMs', 'commandMs']) {
    const ofAll = endpoints.reduce((all, endpoint) => all + endpoint[name].count, 0)
    expect([name, ofAll]).toEqual([name, stats[name].count])
    expect(Math.max(...endpoints.map((endpoint) => endpoint[name].max))).toBe(stats[name].max)
  }
  blenders.forEach(({ requests, accepted, open }, at) => {
    expect(endpoints[at]).toMatchObject({
      commands: requests.length,
      created: accepted,
      total: open,
    })
  })
  expect(endpoints.map(({ commandErrors }) => commandErrors > 0)).toEqual([false, false, true])
})
