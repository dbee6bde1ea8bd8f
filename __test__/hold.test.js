'use strict'

// Holding a connection: one holder, one socket, given back once, to the next in line.

const { arena, eventually, outcome, turn } = require('./support/arena')
const { ask } = require('./support/stub-blender')

const { pool, simulator, stub } = arena()

const NOT_HELD = { code: 'ERR_POOL_NOT_HELD', retryable: false }

/** A server that keeps every command until the test answers it. */
function silentStub(options) {
  return stub({ ...options, answer: () => {} })
}

function answerAll(blender) {
  blender.answer = (request) => request.reply(request.asked)
  for (const request of blender.requests) request.answered ??= request.reply(request.asked) ?? true
}

describe('release', () => {
  test('twice: ERR_POOL_NOT_HELD, and whoever holds the connection now is undisturbed', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const first = await connections.acquire()
    const waiting = connections.acquire()
    await first.release()
    const second = await waiting
    expect(second.id).toBe(first.id)
    const third = connections.acquire()

    for (const again of [() => first.release(), () => connections.release(first)]) {
      expect((await outcome(again())).error).toMatchObject(NOT_HELD)
    }
    expect((await outcome(first.discard())).error).toMatchObject(NOT_HELD)
    expect((await outcome(first.execute(ask('worker')))).error).toMatchObject({
      ...NOT_HELD,
      delivered: 'no',
    })
    await first[Symbol.asyncDispose]()

    expect(second.inUse).toBe(true)
    expect(connections.stats()).toMatchObject({ inUse: 1, waiting: 1, released: 1 })
    expect((await second.execute(ask('worker', { n: 2 }))).result).toEqual({ n: 2 })
    await second.release()
    await (await third).release()
    expect(connections.stats()).toMatchObject({ acquired: 3, released: 3, idle: 1, created: 1 })
  })

  test('of what is not a connection of this pool: ERR_POOL_NOT_HELD, and its holder undisturbed', async () => {
    const blender = await stub()
    const [one, other] = [pool(blender), pool(blender)]
    const held = await one.acquire()
    for (const stranger of [held, {}, null, undefined, 7]) {
      expect((await outcome(other.release(stranger))).error).toMatchObject(NOT_HELD)
    }
    expect((await held.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    await one.release(held)
  })

  test('while commands run: they finish over this socket, and only then the next holder has it', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const running = [1, 2, 3].map((n) => held.execute(ask('worker', { n })))
    await blender.until(({ requests }) => requests.length === 1)

    await held.release()

    const next = connections.acquire()
    let isHeld = false
    next.then(() => {
      isHeld = true
    })
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(isHeld).toBe(false)
    expect((await outcome(held.execute(ask('worker')))).error).toMatchObject(NOT_HELD)
    answerAll(blender)
    const replies = await Promise.all(running)
    expect(replies.map(({ result }) => result.n)).toEqual([1, 2, 3])
    expect((await next).id).toBe(held.id)
    await (await next).release()
    expect(blender).toMatchObject({ accepted: 1 })
  })
})

describe('acquire', () => {
  test('serves those who wait in the order in which they came', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 2 })
    const served = []
    const holders = Array.from({ length: 50 }, async (_, n) => {
      const held = await connections.acquire()
      served.push(n)
      await turn()
      await held.release()
    })
    await Promise.all(holders)
    expect(served).toEqual(holders.map((_, n) => n))
    expect(blender.peak).toBe(2)
  })

  test('gives a connection to one holder at a time', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 3 })
    const holders = new Map()
    const work = Array.from({ length: 60 }, () =>
      connections.use(async (held) => {
        expect(holders.has(held.id)).toBe(false)
        holders.set(held.id, held)
        await held.execute(ask('worker'))
        expect(holders.get(held.id)).toBe(held)
        holders.delete(held.id)
      }),
    )
    await Promise.all(work)
    expect(connections.stats()).toMatchObject({ acquired: 60, released: 60, inUse: 0 })
  })

  test('commands of one holder run in order, one after another, over one socket', async () => {
    const blender = await stub({
      answer(request) {
        // The later ones would overtake the earlier ones if they could.
        setTimeout(() => request.reply(request.asked), 10 - request.asked.n)
      },
    })
    const connections = pool(blender, { maxConnections: 3 })
    const [other, held] = [await connections.acquire(), await connections.acquire()]
    const settled = []
    await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        const { result } = await held.execute(ask('worker', { n }))
        expect(result).toEqual({ n })
        settled.push(n)
      }),
    )
    expect(settled).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(blender.requests.map(({ asked }) => asked.n)).toEqual(settled)
    expect(new Set(blender.requests.map(({ connection }) => connection)).size).toBe(1)
    await Promise.all([held.release(), other.release()])
  })

  test('beyond maxWaiting: ERR_POOL_QUEUE_FULL at once, for commands too, and those who wait are served', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1, maxWaiting: 2 })
    const held = await connections.acquire()
    const waiting = [connections.acquire(), connections.execute(ask('worker', { n: 1 }))]
    const full = { code: 'ERR_POOL_QUEUE_FULL', delivered: 'no', retryable: true }

    expect((await outcome(connections.acquire())).error).toMatchObject(full)
    expect((await outcome(connections.execute(ask('worker')))).error).toMatchObject(full)

    expect(connections.stats()).toMatchObject({ waiting: 2, inUse: 1 })
    answerAll(blender)
    await held.release()
    await (await waiting[0]).release()
    expect((await waiting[1]).result).toEqual({ n: 1 })
    expect(blender.requests).toHaveLength(1)
  })

  test('with maxWaiting 0 serves whoever needs not wait', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 2, maxWaiting: 0 })
    const held = await Promise.all([connections.acquire(), connections.acquire()])
    const { error } = await outcome(connections.acquire())
    expect(error).toMatchObject({ code: 'ERR_POOL_QUEUE_FULL' })
    for (const connection of held) await connection.release()
    expect((await connections.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
  })
})

describe('tryAcquire', () => {
  test('gives an idle connection at once, and opens none', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 2 })
    expect(connections.tryAcquire()).toBeNull()
    await turn()
    expect(blender.accepted).toBe(0)
    const first = await connections.acquire()
    expect(connections.tryAcquire()).toBeNull()
    await first.release()

    const again = connections.tryAcquire()

    expect(again).toMatchObject({ id: first.id, inUse: true, useCount: 1 })
    expect(connections.tryAcquire()).toBeNull()
    expect((await again.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    await again.release()
    expect(connections.stats()).toMatchObject({ waiting: 0, idle: 1, acquired: 2, released: 2 })
  })

  test('never goes before those who wait', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const waiting = connections.acquire()
    held.release()
    expect(connections.tryAcquire()).toBeNull()
    await (await waiting).release()
  })
})

describe('use', () => {
  test('gives back what the work gives, and the connection', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const given = await connections.use(async (held) => {
      const { result } = await held.execute(ask('worker', { n: 1 }))
      return result
    })
    expect(given).toEqual({ n: 1 })
    expect(connections.stats()).toMatchObject({ inUse: 0, idle: 1 })
  })

  test.each([
    [
      'throws',
      () => () => {
        throw new Error('work')
      },
    ],
    [
      'rejects',
      () => async () => {
        throw new Error('work')
      },
    ],
    [
      'gave it back itself and throws',
      () => async (held) => {
        await held.release()
        throw new Error('work')
      },
    ],
  ])('gives the connection back when the work %s', async (_how, work) => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    expect((await outcome(connections.use(work()))).error).toEqual(new Error('work'))
    expect(connections.stats()).toMatchObject({ inUse: 0, idle: 1, released: 1 })
    await (await connections.acquire()).release()
  })
})

test('at the end of an `await using` block the connection is given back, by whatever way it was left', async () => {
  const blender = await stub()
  const connections = pool(blender, { maxConnections: 1 })
  for (let n = 0; n < 3; n++) {
    // As the compiled statement does it: not every Node that is supported parses the statement.
    const held = await connections.acquire()
    try {
      expect((await held.execute(ask('worker', { n }))).result).toEqual({ n })
      if (n === 1) await held.release()
      if (n === 2) await held.discard('it was strange')
    } finally {
      await held[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]()
    }
  }
  await eventually(() => connections.stats().total === 0)
  expect(connections.stats()).toMatchObject({ acquired: 3, released: 3, closed: { discarded: 1 } })
})

describe('discard', () => {
  test('closes the connection, and the next caller gets a new one', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const waiting = connections.acquire()

    await held.discard('wedged')

    const next = await waiting
    expect(next.id).not.toBe(held.id)
    expect((await outcome(held.release())).error).toMatchObject(NOT_HELD)
    expect((await next.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    await next.release()
    expect(blender).toMatchObject({ accepted: 2, peak: 1 })
    expect(connections.stats().closed).toMatchObject({ discarded: 1 })
  })

  test('while commands run: they fail, and tell truthfully whether they may have run', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1, drainTimeoutMs: 50 })
    const held = await connections.acquire()
    const running = outcome(held.execute(ask('worker', { n: 1 })))
    const behind = outcome(held.execute(ask('worker', { n: 2 })))
    await blender.until(({ requests }) => requests.length === 1)

    await held.discard('wedged')

    const lost = { code: 'ERR_POOL_CONNECTION_LOST', connectionId: held.id }
    expect((await running).error).toMatchObject({ ...lost, delivered: 'maybe' })
    expect((await behind).error).toMatchObject({ ...lost, delivered: 'no' })
    answerAll(blender)
    expect((await connections.execute(ask('worker', { n: 3 }))).result).toEqual({ n: 3 })
    expect(blender).toMatchObject({ accepted: 2, peak: 1 })
  })
})

describe('a held connection whose server dies', () => {
  test.each([
    'worker',
    'blender-mcp',
  ])('%s, idle in its holder’s hands: execute tells ERR_POOL_CONNECTION_LOST, release is fine', async (dialect) => {
    const blender = await stub({ dialect })
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    // What was answered before is no sign that the next one ran.
    await held.execute(ask(dialect, { n: 0 }))
    blender.kill()
    await eventually(() => connections.stats().total === 0)

    const { error } = await outcome(held.execute(ask(dialect)))

    expect(error).toMatchObject({
      code: 'ERR_POOL_CONNECTION_LOST',
      delivered: 'no',
      connectionId: held.id,
      endpoint: blender.address,
    })
    await held.release()
    expect((await outcome(held.release())).error).toMatchObject(NOT_HELD)
    expect((await connections.execute(ask(dialect, { n: 1 }))).result).toEqual({ n: 1 })
    expect(connections.stats()).toMatchObject({ idle: 1, inUse: 0, closed: { error: 1 } })
  })

  test('never released: its slot is free for others all the same', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const waiting = connections.acquire()
    blender.kill()
    const next = await waiting
    expect(next.id).not.toBe(held.id)
    expect((await outcome(held.execute(ask('worker')))).error.code).toBe('ERR_POOL_CONNECTION_LOST')
    expect((await next.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    await next.release()
  })

  test('while a command runs: it may have run, those behind it did not', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const running = outcome(held.execute(ask('worker', { n: 1 })))
    const behind = outcome(held.execute(ask('worker', { n: 2 })))
    await blender.until(({ requests }) => requests.length === 1)
    blender.kill()
    const lost = { code: 'ERR_POOL_CONNECTION_LOST' }
    expect((await running).error).toMatchObject({ ...lost, delivered: 'maybe', retryable: false })
    expect((await behind).error).toMatchObject({ ...lost, delivered: 'no', retryable: true })
    const { error } = await outcome(held.execute(ask('worker', { n: 3 })))
    expect(error).toMatchObject({ ...lost, delivered: 'no', retryable: true })
    await held.release()
    expect(blender.requests).toHaveLength(1)
  })
})

describe.each(['worker', 'blender-mcp'])('%s: holders and commands', (dialect) => {
  test('mixed a hundred times over: all are served, one in flight for each socket', async () => {
    const blender = await simulator({ dialect, beatMs: 1, jitterMs: 2 })
    const connections = pool(blender, { maxConnections: 2 })
    const echo = (n) => ({ type: 'echo', params: { n } })
    const calls = Array.from({ length: 200 }, async (_, n) => {
      if (n % 2 === 0) return (await connections.execute(echo(n))).result.n
      return connections.use(async (held) => {
        const [one, two] = await Promise.all([held.execute(echo(n)), held.execute(echo(-n))])
        expect(two.result.n).toBe(-n)
        return one.result.n
      })
    })
    expect(await Promise.all(calls)).toEqual(calls.map((_, n) => n))
    expect(blender.stats()).toMatchObject({ peak: 2, violations: [] })
    expect(connections.stats()).toMatchObject({ acquired: 100, released: 100, commands: 300 })
  })

  test('a flood of holders does not starve a command', async () => {
    const blender = await stub({ dialect })
    const connections = pool(blender, { maxConnections: 2 })
    let isOver = false
    let rounds = 0
    const holders = Array.from({ length: 6 }, async () => {
      while (!isOver && rounds < 20_000) {
        rounds++
        await connections.use((held) => held.execute(ask(dialect)))
      }
    })
    for (let n = 0; n < 20; n++) {
      const { result } = await connections.execute(ask(dialect, { n }))
      expect(result).toEqual({ n })
    }
    isOver = true
    await Promise.all(holders)
    expect(rounds).toBeLessThan(20_000)
  })

  test('a flood of commands does not starve a holder', async () => {
    const blender = await stub({ dialect })
    const connections = pool(blender, { maxConnections: 2 })
    let isOver = false
    let rounds = 0
    const commands = Array.from({ length: 6 }, async () => {
      while (!isOver && rounds < 20_000) {
        rounds++
        await connections.execute(ask(dialect))
      }
    })
    for (let n = 0; n < 20; n++) {
      const reply = await connections.use((held) => held.execute(ask(dialect, { n })))
      expect(reply.result).toEqual({ n })
    }
    isOver = true
    await Promise.all(commands)
    expect(rounds).toBeLessThan(20_000)
  })

  test('a connection that is held and not used leaves the others to commands', async () => {
    const blender = await stub({ dialect })
    const connections = pool(blender, { maxConnections: 2 })
    const held = await connections.acquire()
    const replies = await Promise.all(
      [1, 2, 3].map((n) => connections.execute(ask(dialect, { n }))),
    )
    expect(replies.map(({ result }) => result.n)).toEqual([1, 2, 3])
    await held.release()
  })
})

test('blender-mcp: the last connection is left to a command that waits for its turn, however many want to hold it', async () => {
  const blender = await silentStub({ dialect: 'blender-mcp' })
  const connections = pool(blender, { maxConnections: 2 })
  const [held, other] = await Promise.all([connections.acquire(), connections.acquire()])
  const running = held.execute(ask('blender-mcp', { n: 1 }))
  await blender.until(({ requests }) => requests.length === 1)
  await other.release()
  // A connection is idle, and one command at a time is all that this Blender takes.
  const waiting = connections.execute(ask('blender-mcp', { n: 2 }))
  const second = connections.acquire()

  answerAll(blender)

  expect((await running).result).toEqual({ n: 1 })
  // The first holder keeps its connection all the while, and so would the second.
  expect((await waiting).result).toEqual({ n: 2 })
  await (await second).release()
  await held.release()
})

describe('two endpoints', () => {
  async function twoBlenders(dialect, options) {
    const [a, b] = await Promise.all([stub({ dialect }), stub({ dialect })])
    const connections = pool(null, {
      dialect,
      endpoints: [
        { name: 'a', address: a.address },
        { name: 'b', address: b.address },
      ],
      ...options,
    })
    return { a, b, connections }
  }

  test.each([
    'worker',
    'blender-mcp',
  ])('%s: with every slot idle at one, a call that names the other is served', async (dialect) => {
    const { a, b, connections } = await twoBlenders(dialect, { maxConnections: 2 })
    const held = [
      await connections.acquire({ endpoint: 'a' }),
      await connections.acquire({ endpoint: 'a' }),
    ]
    for (const connection of held) await connection.release()
    expect(connections.stats()).toMatchObject({ idle: 2, total: 2 })

    const reply = await connections.execute(ask(dialect, { n: 1 }), { endpoint: 'b' })

    expect(reply.result).toEqual({ n: 1 })
    expect(b.requests).toHaveLength(1)
    expect(connections.stats()).toMatchObject({ total: 2, created: 3, closed: { idle: 1 } })
    const there = await connections.acquire({ endpoint: 'b' })
    expect(there.endpoint).toBe('b')
    await there.release()
    expect([a.requests.length, a.accepted, b.accepted]).toEqual([0, 2, 1])
  })

  test('with every slot held at one, a call that names the other waits for a release, and is served then', async () => {
    const { b, connections } = await twoBlenders('worker', { maxConnections: 2 })
    const held = [
      await connections.acquire({ endpoint: 'a' }),
      await connections.acquire({ endpoint: 'a' }),
    ]
    const call = connections.acquire({ endpoint: 'b' })
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(b.accepted).toBe(0)
    await held[0].release()
    const there = await call
    expect(there.endpoint).toBe('b')
    await there.release()
    await held[1].release()
    expect(connections.stats()).toMatchObject({ total: 2, inUse: 0 })
  })

  test('calls that alternate between more endpoints than there are slots are all served', async () => {
    const { a, b, connections } = await twoBlenders('worker', { maxConnections: 1 })
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        connections.execute(ask('worker', { n }), { endpoint: n % 2 ? 'a' : 'b' }),
      ),
    )
    expect(replies.map(({ result }) => result.n)).toEqual(replies.map((_, n) => n))
    expect([a.requests.length, b.requests.length]).toEqual([20, 20])
    expect(a.peak + b.peak).toBeLessThanOrEqual(2)
  })
})

describe('close', () => {
  const CLOSED = { code: 'ERR_POOL_CLOSED', delivered: 'no', retryable: false }

  test('fails those who wait at once, lets the running and the holders finish, and refuses all else', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 2 })
    const held = await connections.acquire()
    const running = connections.execute(ask('worker', { n: 1 }))
    await blender.until(({ requests }) => requests.length === 1)
    const waiting = [connections.execute(ask('worker', { n: 2 })), connections.acquire()]

    const closed = connections.close({ timeoutMs: 60_000 })

    expect(connections.state).toBe('closing')
    for (const { error } of await Promise.all(waiting.map(outcome))) {
      expect(error).toMatchObject(CLOSED)
    }
    for (const call of [() => connections.execute('ping'), () => connections.acquire()]) {
      expect((await outcome(call())).error).toMatchObject(CLOSED)
    }
    expect(() => connections.tryAcquire()).toThrow(expect.objectContaining(CLOSED))
    blender.answer = (request) => request.reply(request.asked)
    expect((await held.execute(ask('worker', { n: 3 }))).result).toEqual({ n: 3 })
    await held.release()
    blender.requests[0].reply({ n: 1 })
    expect((await running).result).toEqual({ n: 1 })
    expect(await closed).toMatchObject({ failedWaiters: 2, cut: 0 })
    expect(connections.state).toBe('closed')
    expect((await outcome(connections.execute('ping'))).error).toMatchObject(CLOSED)
    expect(connections.stats()).toMatchObject({ total: 0, waiting: 0 })
    await blender.until(({ open }) => open === 0)
    expect(blender.requests.map(({ asked }) => asked.n)).toEqual([1, 3])
  })

  test('cuts what is held and what runs at its deadline', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 2 })
    const held = await connections.acquire()
    const running = outcome(connections.execute(ask('worker', { n: 1 })))
    await blender.until(({ requests }) => requests.length === 1)

    const report = await connections.close({ timeoutMs: 20 })

    expect(report).toMatchObject({ failedWaiters: 0, cut: 2 })
    expect((await running).error).toMatchObject({ code: 'ERR_POOL_CLOSED', delivered: 'maybe' })
    await blender.until(({ open }) => open === 0)
    expect((await outcome(held.execute(ask('worker')))).error).toMatchObject(CLOSED)
    await held.release()
    expect((await outcome(held.release())).error).toMatchObject(NOT_HELD)
  })

  test('with force cuts at once', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 2, drainTimeoutMs: 60_000 })
    const held = await connections.acquire()
    const calls = [held.execute(ask('worker')), connections.execute(ask('worker'))].map(outcome)
    await blender.until(({ requests }) => requests.length === 2)

    const report = await connections.close({ force: true })

    expect(report).toMatchObject({ cut: 2 })
    for (const { error } of await Promise.all(calls)) {
      expect(error).toMatchObject({ code: 'ERR_POOL_CLOSED', delivered: 'maybe' })
    }
    await blender.until(({ open }) => open === 0)
  })

  test('tells each holder what became of its command, and nothing else', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 2 })
    const [held, idle] = [await connections.acquire(), await connections.acquire()]
    const running = outcome(held.execute(ask('worker')))
    await blender.until(({ requests }) => requests.length === 1)
    await connections.close({ force: true })

    const { error: cut } = await running
    expect(cut).toMatchObject({ delivered: 'maybe', advice: expect.stringMatching(/may have run/) })
    for (const connection of [held, idle]) {
      const { error } = await outcome(connection.execute(ask('worker')))
      expect(error).toMatchObject({
        code: 'ERR_POOL_CLOSED',
        delivered: 'no',
        advice: 'The command was not sent. Give close() a longer timeoutMs to let holders finish.',
      })
    }
  })

  test('twice gives the same promise, and a later force cuts the first short', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const first = connections.close({ timeoutMs: 60_000 })
    expect(connections.close()).toBe(first)
    let isClosed = false
    first.then(() => {
      isClosed = true
    })
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(isClosed).toBe(false)

    expect(connections.close({ force: true })).toBe(first)

    expect(await first).toMatchObject({ cut: 1 })
    expect(await connections.close()).toBe(await first)
    expect(held.inUse).toBe(true)
    await held.release()
  })

  test('of a pool that was never used, and of one that connects: nothing is left', async () => {
    const blender = await stub()
    expect(await pool(blender).close()).toMatchObject({ failedWaiters: 0, cut: 0 })
    const pings = []
    blender.ping = (request) => pings.push(request)
    const connections = pool(blender)
    const call = outcome(connections.acquire())
    await blender.until(() => pings.length === 1)
    expect(await connections.close()).toMatchObject({ failedWaiters: 1, cut: 0 })
    expect((await call).error).toMatchObject(CLOSED)
    await blender.until(({ open }) => open === 0)
  })

  test('does not wait longer than its deadline for a connection that drains', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1, drainTimeoutMs: 60_000 })
    const controller = new AbortController()
    const call = outcome(connections.execute(ask('worker'), { signal: controller.signal }))
    await blender.until(({ requests }) => requests.length === 1)
    controller.abort('enough')
    expect((await call).error).toBe('enough')
    expect(connections.stats().unusable).toBe(1)
    await connections.close({ timeoutMs: 20 })
    expect(connections.stats().total).toBe(0)
    await blender.until(({ open }) => open === 0)
  })
})
