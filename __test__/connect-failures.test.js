'use strict'

// Connecting fails a hundred times, then works: no slot is lost, no caller left behind, and the pool's
// figures are those of the server.

const { quietPort } = require('./support/quiet-port')
const { arena, eventually, outcome } = require('./support/arena')
const { StubBlender, ask } = require('./support/stub-blender')

const FAILURES = 100
const MAX = 4
/** Callers wait through all failures, and attempts follow each other at once. */
const PERSISTENT = {
  maxConnections: MAX,
  connectRetryMs: 60_000,
  retryBackoffMs: 1,
  maxRetryBackoffMs: 2,
}

const { pool, stub } = arena()

/** That every slot is there: as many commands as the pool has slots are at the server at once. */
async function expectAllSlots(connections, blender) {
  const before = blender.requests.length
  const held = []
  blender.answer = (request) => held.push(request)
  const calls = Array.from({ length: MAX }, (_, n) =>
    connections.execute(ask(blender.dialect, { n })),
  )
  await blender.until(({ requests }) => requests.length === before + MAX)
  expect(connections.stats()).toMatchObject({ inUse: MAX, total: MAX, waiting: 0 })
  expect(blender.open).toBe(MAX)
  for (const request of held) request.reply(request.asked)
  const replies = await Promise.all(calls)
  expect(replies.map(({ result }) => result)).toEqual(calls.map((_, n) => ({ n })))
}

/** That what the pool counted is what the server saw. `failed` attempts came to the server, or none did. */
function expectSameFigures(connections, blender, failed) {
  const stats = connections.stats()
  const cameToServer = stats.connectFailures - (failed.refusedByKernel ?? 0)
  expect({
    connects: stats.created - (failed.refusedByKernel ?? 0),
    failures: cameToServer,
    commands: stats.commands,
    open: stats.total,
  }).toEqual({
    connects: blender.accepted,
    failures: failed.atServer,
    commands: blender.requests.length,
    open: blender.open,
  })
  expect(blender.peak).toBeLessThanOrEqual(MAX)
}

/** Callers of every kind, more than there are slots; they resolve to what was asked. */
function manyCallers(connections, blender) {
  const calls = Array.from({ length: 20 }, (_, n) =>
    connections.execute(ask(blender.dialect, { n })).then(({ result }) => result),
  )
  const holds = Array.from({ length: 5 }, (_, n) =>
    connections.use(async (held) => {
      const { result } = await held.execute(ask(blender.dialect, { n: 100 + n }))
      return result
    }),
  )
  return Promise.all([...calls, ...holds])
}

const ANSWERS = [...Array(20).keys(), 100, 101, 102, 103, 104].map((n) => ({ n }))

test('a port that refuses a hundred times and then listens: every caller is served and no slot lost', async () => {
  const port = await quietPort()
  const blender = new StubBlender()
  const connections = pool({ address: `127.0.0.1:${port}`, dialect: 'worker' }, PERSISTENT)
  let failures = 0
  const refused = new Promise((resolve) => {
    connections.on('connectionClosed', ({ reason, error }) => {
      expect({ reason, code: error.cause.code }).toEqual({ reason: 'error', code: 'ECONNREFUSED' })
      if (++failures === FAILURES) resolve()
    })
  })
  const served = manyCallers(connections, blender)
  await refused
  connections.removeAllListeners('connectionClosed')
  await blender.listen(port)
  try {
    expect(await served).toEqual(ANSWERS)

    await expectAllSlots(connections, blender)
    const { connectFailures } = connections.stats()
    expect(connectFailures).toBeGreaterThanOrEqual(FAILURES)
    expectSameFigures(connections, blender, { refusedByKernel: connectFailures, atServer: 0 })
  } finally {
    await connections.close({ force: true })
    await blender.close()
  }
})

describe.each(['worker', 'blender-mcp', 'blender-mcp-server'])('%s', (dialect) => {
  const brokenPings = {
    'closes the connection at once': { meet: (_n, socket) => socket.destroy() && false },
    'resets the connection at once': { meet: (_n, socket) => socket.resetAndDestroy() && false },
    'hears the ping and closes': { ping: (request) => request.socket.end() },
    'answers half a ping and closes': {
      ping: (request) => request.socket.end(request.frame({ pong: true }).subarray(0, 8)),
      // It answered, though not in this dialect: trying again is not for the pool to decide.
      gives: 'ERR_POOL_PROTOCOL',
    },
    'answers garbage': {
      ping: (request) => request.socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
      gives: 'ERR_POOL_PROTOCOL',
    },
  }

  test.each(
    Object.entries(brokenPings),
  )('a server that %s a hundred times, then answers: no slot lost, no caller left behind', async (_what, {
    meet,
    ping,
    gives,
  }) => {
    let broken = 0
    const blender = await stub({ dialect })
    const { ping: goodPing, meet: goodMeet } = blender
    if (meet) blender.meet = (...came) => (++broken > FAILURES ? goodMeet : meet)(...came)
    if (ping) blender.ping = (request) => (++broken > FAILURES ? goodPing : ping)(request)
    const connections = pool(blender, PERSISTENT)

    // Where the pool may not try again by itself, its callers do.
    while (gives && broken < FAILURES) {
      const { error } = await outcome(connections.execute(ask(dialect)))
      if (error) expect(error).toMatchObject({ code: gives, delivered: 'no' })
    }
    expect(await manyCallers(connections, blender)).toEqual(ANSWERS)

    if (dialect !== 'blender-mcp') await expectAllSlots(connections, blender)
    else await Promise.all(Array.from({ length: MAX }, () => connections.acquire()))
    expectSameFigures(connections, blender, { atServer: FAILURES })
  })
})

test('with connectRetryMs 0 each caller is told at once, by the system error, that nothing listens', async () => {
  const port = await quietPort()
  const address = `127.0.0.1:${port}`
  // Whoever waited for the next attempt would wait for the rest of the day.
  const connections = pool(
    { address, dialect: 'worker' },
    {
      maxConnections: MAX,
      connectRetryMs: 0,
      retryBackoffMs: 86_400_000,
      maxRetryBackoffMs: 86_400_000,
    },
  )
  for (let round = 0; round < 3; round++) {
    const outcomes = await Promise.all([
      ...Array.from({ length: 20 }, () => outcome(connections.execute('echo'))),
      ...Array.from({ length: 5 }, () => outcome(connections.acquire())),
    ])
    for (const { error } of outcomes) {
      expect(error).toMatchObject({
        name: 'PoolError',
        // Who comes when an attempt has failed, and none is due for hours, is told at once how.
        code: expect.stringMatching(/^ERR_POOL_(CONNECT|ENDPOINT_DOWN)$/),
        endpoint: address,
        delivered: 'no',
        retryable: true,
        cause: { code: 'ECONNREFUSED', syscall: 'connect' },
      })
      expect(error.advice).toMatch(/Start Blender/)
    }
    // One more attempt may have been under way than was needed to tell them all.
    await eventually(() => connections.stats().total === 0)
    expect(connections.stats()).toMatchObject({ waiting: 0, commands: 0 })
  }
})

test('with connectRetryMs 0 a pool that was told off works as soon as somebody listens', async () => {
  const port = await quietPort()
  const connections = pool(
    { address: `127.0.0.1:${port}`, dialect: 'worker' },
    { ...PERSISTENT, connectRetryMs: 0 },
  )
  for (let n = 0; n < FAILURES; n++) {
    const { error } = await outcome(connections.execute('echo'))
    expect(error).toMatchObject({ code: 'ERR_POOL_CONNECT', cause: { code: 'ECONNREFUSED' } })
  }
  const blender = await stub({}, port)
  expect(await manyCallers(connections, blender)).toEqual(ANSWERS)
  await expectAllSlots(connections, blender)
})
