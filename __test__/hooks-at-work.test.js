'use strict'

// The caller's own code on a connection: onConnect before anybody gets it, onRelease before the next one
// gets it, recycle() when its holder asks. Whatever such code does, nobody else is harmed.

const { arena, eventually, outcome, turn } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

/** `[connection, type or n]` of every command, in the order in which they came. */
const came = (blender) =>
  blender.requests.map(({ connection, type, params }) => [connection, params?.n ?? type])

/** A promise and what settles it. */
function deferred() {
  let resolve
  const promise = new Promise((done) => {
    resolve = done
  })
  return { promise, resolve }
}

describe('onConnect', () => {
  test('logs in before any other command goes over that connection', async () => {
    const blender = await stub({
      answer: (request) => setImmediate(() => request.reply({ type: request.type })),
    })
    const connections = pool(blender, {
      maxConnections: 4,
      onConnect: async (connection) => {
        expect((await connection.execute('login')).result).toEqual({ type: 'login' })
        await connection.execute('select_scene')
      },
    })
    await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        if (n % 3 === 0) await connections.use((held) => held.execute(ask('worker', { n })))
        else if (n % 10 === 1) await (await connections.acquire()).discard()
        else await connections.execute(ask('worker', { n }))
      }),
    )
    expect(blender.accepted).toBeGreaterThan(4)
    for (let connection = 1; connection <= blender.accepted; connection++) {
      const types = blender.requests.filter((one) => one.connection === connection)
      expect(types.slice(0, 2).map(({ type }) => type)).toEqual(['login', 'select_scene'])
      expect(types.filter(({ type }) => type === 'login')).toHaveLength(1)
    }
  })

  test('runs for the minimum too, and warm() waits for it', async () => {
    const blender = await stub()
    const { promise, resolve } = deferred()
    let calls = 0
    const connections = pool(blender, {
      minConnections: 2,
      onConnect: () => {
        calls++
        return promise
      },
    })
    let isWarm = false
    const warming = connections.warm().then(() => {
      isWarm = true
    })
    await eventually(() => calls === 2)
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(isWarm).toBe(false)
    expect(connections.stats()).toMatchObject({ connecting: 2, idle: 0 })
    resolve()
    await warming
    expect(connections.stats()).toMatchObject({ connecting: 0, idle: 2 })
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('no such user')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('no such user'))],
  ])('that %s: the connection is closed, an event tells why, and so does the caller’s error', async (_how, onConnect) => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1, connectRetryMs: 0, onConnect })
    const told = new Chronicle(connections)
    const { error } = await outcome(connections.acquire())
    expect(error).toMatchObject({ name: 'PoolError', delivered: 'no' })
    expect(`${error.message} ${error.cause?.message}`).toContain('no such user')
    const [failed] = await told.has('hookFailed')
    expect(failed).toMatchObject({ connectionId: 1, endpoint: blender.address, hook: 'onConnect' })
    expect(failed.error).toMatchObject({ name: 'PoolError' })
    expect(failed.error.message).toContain('no such user')
    const [closed] = await told.has('connectionClosed')
    expect(closed).toMatchObject({ connectionId: 1, reason: 'error' })
    await blender.until(({ open }) => open === 0)
    expect(connections.stats()).toMatchObject({ idle: 0, inUse: 0, waiting: 0 })
    expect(connections.stats().hookFailures).toBeGreaterThanOrEqual(1)
    expect(told.faults()).toEqual([])
  })

  test('that fails once is tried again on another connection for who waits', async () => {
    const blender = await stub()
    let calls = 0
    const connections = pool(blender, {
      maxConnections: 1,
      retryBackoffMs: 1,
      onConnect: () => {
        if (++calls === 1) throw new Error('not yet')
      },
    })
    const held = await connections.acquire()
    expect(calls).toBe(2)
    expect(blender.accepted).toBe(2)
    await held.release()
  })

  test('that never ends is given up after hookTimeoutMs, and its connection closed', async () => {
    const blender = await stub()
    let calls = 0
    let lent
    const connections = pool(blender, {
      maxConnections: 1,
      hookTimeoutMs: 50,
      retryBackoffMs: 1,
      onConnect: (connection) => {
        if (++calls > 1) return undefined
        lent = connection
        return new Promise(() => {})
      },
    })
    const told = new Chronicle(connections)
    const held = await connections.acquire()
    const [failed] = await told.has('hookFailed')
    expect(failed.error.message).toContain('hookTimeoutMs')
    expect(failed).toMatchObject({ connectionId: 1, hook: 'onConnect' })
    // What it was lent is nobody's any more.
    const { error } = await outcome(lent.execute(ask('worker', { n: 'late' })))
    expect(error).toMatchObject({ name: 'PoolError', delivered: 'no' })
    expect(held.id).toBe(2)
    await held.release()
    expect(came(blender)).toEqual([])
  })

  test('cannot give back, throw away or recycle what it was lent', async () => {
    const blender = await stub()
    const codes = []
    const connections = pool(blender, {
      onConnect: async (connection) => {
        for (const call of [
          () => connection.release(),
          () => connection.discard(),
          () => connections.release(connection),
          () => connections.recycle(connection, () => {}),
        ]) {
          codes.push((await outcome(call())).error?.code)
        }
      },
    })
    const held = await connections.acquire()
    expect(codes).toEqual(Array(4).fill('ERR_POOL_NOT_HELD'))
    await held.release()
  })
})

describe('onRelease', () => {
  test('cleans up before the next holder has the connection', async () => {
    const blender = await stub()
    const connections = pool(blender, {
      maxConnections: 1,
      onRelease: (connection) => connection.execute('reset'),
    })
    await Promise.all(
      [1, 2, 3].map((n) => connections.use((held) => held.execute(ask('worker', { n })))),
    )
    await eventually(() => connections.stats().idle === 1)
    expect(came(blender)).toEqual([
      [1, 1],
      [1, 'reset'],
      [1, 2],
      [1, 'reset'],
      [1, 3],
      [1, 'reset'],
    ])
    expect(connections.stats()).toMatchObject({ created: 1, acquired: 3, released: 3 })
  })

  test('does not run for what is thrown away', async () => {
    const blender = await stub()
    let calls = 0
    const connections = pool(blender, {
      onRelease: () => {
        calls++
      },
    })
    await (await connections.acquire()).discard()
    await eventually(() => connections.stats().total === 0)
    expect(calls).toBe(0)
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('still dirty')
      },
    ],
    ['rejects', () => Promise.reject(new Error('still dirty'))],
    ['hangs', () => new Promise(() => {})],
  ])('that %s closes the connection, and the next holder gets another', async (how, onRelease) => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1, hookTimeoutMs: 50, onRelease })
    const told = new Chronicle(connections)
    const first = await connections.acquire()
    await turn()
    const waiting = connections.acquire()
    await first.release()
    const second = await waiting
    expect(second.id).toBe(2)
    const [failed] = await told.has('hookFailed')
    expect(failed).toMatchObject({ connectionId: 1, hook: 'onRelease' })
    expect(failed.error.message).toContain(how === 'hangs' ? 'hookTimeoutMs' : 'still dirty')
    expect(await told.has('connectionClosed')).toMatchObject([{ connectionId: 1, reason: 'error' }])
    expect(connections.stats()).toMatchObject({ hookFailures: 1 })
    await connections.close({ force: true })
    await told.has('poolClosed')
    expect(told.faults()).toEqual([])
  })
})

describe('recycle', () => {
  test('takes the connection through the work, and back among the idle ones', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const told = new Chronicle(connections)
    const held = await connections.acquire()
    await turn()
    const waiting = connections.acquire()
    const states = []

    const given = await connections.recycle(held, async (connection) => {
      states.push(connections.connections()[0].state)
      expect(connection.id).toBe(held.id)
      await connection.execute(ask('worker', { n: 'login' }))
      return 'mended'
    })

    expect(given).toBe('mended')
    expect(states).toEqual(['unusable'])
    expect(held.inUse).toBe(false)
    expect((await outcome(held.execute('ping'))).error).toMatchObject({ code: 'ERR_POOL_NOT_HELD' })
    const next = await waiting
    expect(next.id).toBe(held.id)
    await next.execute(ask('worker', { n: 2 }))
    await next.release()
    expect(came(blender)).toEqual([
      [1, 'login'],
      [1, 2],
    ])
    await told.has('connectionCheckedIn', 2)
    expect(told.faults()).toEqual([])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('denied')
      },
    ],
    ['rejects', () => Promise.reject(new Error('denied'))],
  ])('work that %s: it rejects with that error, and the connection is closed', async (_how, work) => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const told = new Chronicle(connections)
    const held = await connections.acquire()
    const { error } = await outcome(connections.recycle(held, work))
    expect(error.message).toBe('denied')
    const [failed] = await told.has('hookFailed')
    expect(failed).toMatchObject({ connectionId: 1, hook: 'recycle' })
    await told.has('connectionClosed')
    expect(await connections.use(({ id }) => id)).toBe(2)
  })

  test('work that never ends: it rejects after hookTimeoutMs, and the slot is free', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1, hookTimeoutMs: 50 })
    const held = await connections.acquire()
    const { error } = await outcome(connections.recycle(held, () => new Promise(() => {})))
    expect(error).toMatchObject({ name: 'PoolError' })
    expect(error.message).toContain('hookTimeoutMs')
    expect(await connections.use(({ id }) => id)).toBe(2)
  })

  test('of a connection that dies meanwhile rejects, and the slot is free', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const { promise, resolve } = deferred()
    const recycling = outcome(connections.recycle(held, () => promise))
    await eventually(() => connections.connections()[0].state === 'unusable')
    blender.kill()
    const { error } = await recycling
    expect(error).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST' })
    resolve()
    expect(await connections.use(({ id }) => id)).toBe(2)
  })

  test('twice, or of what is not held: ERR_POOL_NOT_HELD', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    await connections.recycle(held, () => {})
    for (const wrong of [held, {}, undefined]) {
      const { error } = await outcome(connections.recycle(wrong, () => {}))
      expect(error).toMatchObject({ code: 'ERR_POOL_NOT_HELD' })
    }
    const again = await connections.acquire()
    expect((await outcome(connections.recycle(again))).error).toMatchObject({
      code: 'ERR_POOL_INVALID_OPTION',
    })
    await again.release()
  })

  test('waits for what its holder still runs', async () => {
    const blender = await stub({ answer: () => {} })
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const running = held.execute(ask('worker', { n: 1 }))
    await blender.until(({ requests }) => requests.length === 1)
    let began = false
    const recycling = connections.recycle(held, () => {
      began = true
    })
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(began).toBe(false)
    blender.requests[0].reply({ n: 1 })
    expect((await running).result).toEqual({ n: 1 })
    await recycling
    expect(began).toBe(true)
  })
})

describe('a hook may call back into its pool', () => {
  test.each([
    'onConnect',
    'onRelease',
  ])('%s may ask it anything, and use its other connections', async (hook) => {
    const blender = await stub()
    let depth = 0
    const answers = []
    const connections = pool(blender, {
      maxConnections: 3,
      [hook]: async () => {
        // One connection that is opened for the hook has its own hook.
        if (depth++ > 0) return
        answers.push(connections.stats().total > 0, connections.connections().length > 0)
        answers.push((await connections.execute(ask('worker', { n: hook }))).result.n)
        connections.resize({ maxConnections: 4 })
      },
    })
    await connections.use((held) => held.execute(ask('worker', { n: 'mine' })))
    await eventually(() => answers.length === 3 && connections.stats().unusable === 0)
    expect(answers).toEqual([true, true, hook])
    expect(connections.stats()).toMatchObject({ max: 4, hookFailures: 0 })
  })

  test.each([
    ['pause', 'ERR_POOL_CLEARED'],
    ['clear', 'ERR_POOL_CLEARED'],
    ['close', 'ERR_POOL_CLOSED'],
  ])('onConnect may %s it: who waits is told, and nothing is left open', async (order, code) => {
    const blender = await stub()
    let ordered
    const connections = pool(blender, {
      maxConnections: 1,
      onConnect: () => {
        ordered = connections[order]()
      },
    })
    expect((await outcome(connections.acquire())).error).toMatchObject({ code })
    await ordered
    await connections.close()
    await blender.until(({ open }) => open === 0)
  })
})

describe('a listener may call back into its pool', () => {
  const ORDERS = {
    execute: (connections) => connections.execute(ask('worker', { n: 'listener' })),
    acquire: async (connections) => (await connections.acquire()).release(),
    'stats, connections and endpoints': (connections) => {
      connections.stats()
      connections.connections()
      connections.endpoints()
    },
    checkHealth: (connections) => connections.checkHealth(),
    resize: (connections) => connections.resize({ maxConnections: 3 }),
    'clear and ready': (connections) => {
      connections.clear()
      connections.ready()
    },
    'pause and ready': (connections) => {
      connections.pause()
      connections.ready()
    },
  }

  test.each(Object.entries(ORDERS))('with %s, from every event', async (_what, order) => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 2 })
    const told = new Chronicle(connections)
    const results = []
    let calls = 0
    for (const event of [
      'connectionCreated',
      'connectionReady',
      'connectionCheckOutStarted',
      'connectionCheckedOut',
      'connectionCheckedIn',
      'connectionClosed',
    ]) {
      connections.on(event, () => {
        if (++calls > 12) return
        results.push(outcome((async () => order(connections))()))
      })
    }
    for (let n = 0; n < 6; n++) {
      const { error } = await outcome(connections.execute(ask('worker', { n })))
      if (error) expect(error).toMatchObject({ code: 'ERR_POOL_CLEARED', delivered: 'no' })
    }
    // A listener may have turned it down.
    while (calls < 12) await outcome(connections.use((held) => held.discard()))
    for (const { error } of await Promise.all(results)) {
      if (error) expect(error).toMatchObject({ name: 'PoolError', code: 'ERR_POOL_CLEARED' })
    }
    await connections.close()
    await told.has('poolClosed')
    expect(told.faults()).toEqual([])
  })
})
