'use strict'

// A caller may turn away at any moment: it is told at once, by its own signal.reason, and nobody else
// ever notices. The same moments for deadlines.

const { getEventListeners } = require('node:events')
const { deliveredOf } = require('..')
const { startChildBlender } = require('./support/child-blender')
const { eventually, outcome, arena, turn } = require('./support/arena')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

/** More than a kernel keeps for a client that does not read: once written, the client has read some. */
const HALF = Buffer.alloc(24 * 1024 * 1024, ' ')

/** A server that answers nothing before the test says so. */
function silentStub(dialect = 'worker') {
  return stub({ dialect, answer: () => {} })
}

/** That the pool has all its slots, nobody waits, and every answer is its caller's own. */
async function expectSound(connections, blender) {
  const { max } = connections.stats()
  const before = blender.requests.length
  const arrived = []
  blender.answer = (request) => {
    arrived.push(request)
    // Holders share one Blender, which may take one command at a time.
    if (arrived.length === max || blender.dialect === 'blender-mcp') {
      for (const each of arrived.splice(0)) each.reply(each.asked)
    }
  }
  const held = await Promise.all(Array.from({ length: max }, () => connections.acquire()))
  const replies = await Promise.all(
    held.map((connection, n) => connection.execute(ask(blender.dialect, { sound: n }))),
  )
  expect(replies.map(({ result }) => result)).toEqual(held.map((_, n) => ({ sound: n })))
  expect(blender.requests).toHaveLength(before + max)
  for (const connection of held) await connection.release()
  expect(connections.stats()).toMatchObject({ inUse: 0, waiting: 0, unusable: 0, idle: max })
  expect(blender.peak).toBeLessThanOrEqual(max)
}

/** Warm: `max` connections are open and idle. */
async function warmPool(blender, options) {
  const connections = pool(blender, options)
  const { max } = connections.stats()
  const held = await Promise.all(Array.from({ length: max }, () => connections.acquire()))
  for (const connection of held) await connection.release()
  return connections
}

describe.each(['worker', 'blender-mcp', 'blender-mcp-server'])('%s: execute', (dialect) => {
  const command = (asked) => ask(dialect, asked)

  test('aborted before the call: rejects with the reason, and nothing is opened or sent', async () => {
    const blender = await silentStub(dialect)
    const connections = pool(blender, { maxConnections: 2 })
    const reason = { why: 'before' }

    const call = connections.execute(command(), { signal: AbortSignal.abort(reason) })

    expect((await outcome(call)).error).toBe(reason)
    expect(deliveredOf(call)).toBe('no')
    expect(blender.accepted).toBe(0)
    expect(connections.stats()).toMatchObject({ total: 0, waiting: 0, created: 0 })
    await expectSound(connections, blender)
  })

  test('aborted while waiting: rejects with the reason, and the server never hears of it', async () => {
    const blender = await silentStub(dialect)
    const connections = pool(blender, { maxConnections: 1 })
    const first = connections.execute(command({ n: 1 }))
    await blender.until(({ requests }) => requests.length === 1)
    const [reason, controller] = [new Error('while waiting'), new AbortController()]
    const second = connections.execute(command({ n: 2 }), { signal: controller.signal })
    const third = connections.execute(command({ n: 3 }))

    controller.abort(reason)

    expect((await outcome(second)).error).toBe(reason)
    expect(deliveredOf(second)).toBe('no')
    expect(connections.stats()).toMatchObject({ waiting: 1, inUse: 1, aborted: 1 })
    blender.answer = (request) => request.reply(request.asked)
    blender.requests[0].reply({ n: 1 })
    expect((await first).result).toEqual({ n: 1 })
    expect((await third).result).toEqual({ n: 3 })
    expect(blender.requests.map(({ asked }) => asked.n)).toEqual([1, 3])
    await expectSound(connections, blender)
  })

  test('aborted while connecting: rejects with the reason, and the connection is there for the next', async () => {
    const blender = await silentStub(dialect)
    const { ping } = blender
    const pings = []
    blender.ping = (request) => pings.push(request)
    const connections = pool(blender, { maxConnections: 2 })
    const [reason, controller] = ['while connecting', new AbortController()]
    const call = connections.execute(command(), { signal: controller.signal })
    await blender.until(() => pings.length === 1)

    controller.abort(reason)

    expect((await outcome(call)).error).toBe(reason)
    expect(deliveredOf(call)).toBe('no')
    expect(connections.stats()).toMatchObject({ waiting: 0, inUse: 0 })
    blender.ping = ping
    for (const request of pings) ping(request)
    await expectSound(connections, blender)
    expect(blender.requests.every(({ asked }) => 'sound' in asked)).toBe(true)
  })

  test('aborted while running: rejects at once; the late answer is nobody else’s, and its socket keeps the slot', async () => {
    const blender = await silentStub(dialect)
    const connections = await warmPool(blender, { maxConnections: 1 })
    const [reason, controller] = [new Error('while running'), new AbortController()]
    const call = connections.execute(command({ n: 1 }), { signal: controller.signal })
    await blender.until(({ requests }) => requests.length === 1)

    controller.abort(reason)

    expect((await outcome(call)).error).toBe(reason)
    expect(deliveredOf(call)).toBe('maybe')
    const next = connections.execute(command({ n: 2 }))
    for (let turns = 0; turns < 20; turns++) await turn()
    // It is read from still, and has its slot still: no other socket stands in for it.
    expect(connections.stats()).toMatchObject({ unusable: 1, inUse: 0, waiting: 1, total: 1 })
    expect(blender).toMatchObject({ open: 1, accepted: 1 })
    blender.answer = (request) => request.reply(request.asked)
    blender.requests[0].reply({ n: 'late' })
    expect((await next).result).toEqual({ n: 2 })
    expect(blender).toMatchObject({ peak: 1, accepted: 2 })
    expect(blender.requests[1].connection).toBe(2)
    expect(connections.stats()).toMatchObject({ aborted: 1, commands: 2 })
    await expectSound(connections, blender)
  })

  test('aborted while running, and never answered: the slot is free after drainTimeoutMs', async () => {
    const blender = await silentStub(dialect)
    const connections = await warmPool(blender, { maxConnections: 1, drainTimeoutMs: 50 })
    const [reason, controller] = [Symbol('while running'), new AbortController()]
    const call = connections.execute(command({ n: 1 }), { signal: controller.signal })
    await blender.until(({ requests }) => requests.length === 1)

    controller.abort(reason)

    expect((await outcome(call)).error).toBe(reason)
    blender.answer = (request) => request.reply(request.asked)
    expect((await connections.execute(command({ n: 2 }))).result).toEqual({ n: 2 })
    expect(blender).toMatchObject({ peak: 1, accepted: 2 })
    await expectSound(connections, blender)
  })

  test('aborted with half of the reply received: rejects at once, and says that the command ran', async () => {
    const blender = await silentStub(dialect)
    const connections = await warmPool(blender, { maxConnections: 1 })
    const [reason, controller] = [new Error('half'), new AbortController()]
    const call = connections.execute(command({ n: 1 }), { signal: controller.signal })
    await blender.until(({ requests }) => requests.length === 1)
    const [half] = blender.requests
    const frame = half.frame({ n: 'half' })
    // Blanks belong to the document where JSON takes them: behind its first brace.
    await half.write(Buffer.concat([frame.subarray(0, 1), HALF]))

    controller.abort(reason)

    expect((await outcome(call)).error).toBe(reason)
    expect(deliveredOf(call)).toBe('yes')
    expect(connections.stats()).toMatchObject({ unusable: 1, total: 1 })
    const next = connections.execute(command({ n: 2 }))
    blender.answer = (request) => request.reply(request.asked)
    half.send(frame.subarray(1))
    expect((await next).result).toEqual({ n: 2 })
    expect(blender).toMatchObject({ peak: 1, accepted: 2 })
    await expectSound(connections, blender)
  })

  test('aborted after the answer: nothing happens, and the connection is used again', async () => {
    const blender = await stub({ dialect })
    const connections = await warmPool(blender, { maxConnections: 1 })
    const controller = new AbortController()
    const call = connections.execute(command({ n: 1 }), { signal: controller.signal })
    expect((await call).result).toEqual({ n: 1 })

    controller.abort(new Error('after'))

    expect((await call).result).toEqual({ n: 1 })
    expect(deliveredOf(call)).toBeUndefined()
    expect((await connections.execute(command({ n: 2 }))).result).toEqual({ n: 2 })
    expect(blender.accepted).toBe(1)
    expect(connections.stats()).toMatchObject({ aborted: 0, idle: 1 })
  })

  test('out of time while waiting: ERR_POOL_ACQUIRE_TIMEOUT, not delivered', async () => {
    const blender = await silentStub(dialect)
    const connections = pool(blender, { maxConnections: 1 })
    const first = connections.execute(command({ n: 1 }))
    await blender.until(({ requests }) => requests.length === 1)

    const { error } = await outcome(connections.execute(command({ n: 2 }), { timeoutMs: 30 }))

    expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no' })
    expect(error.message).toMatch(/timeoutMs/)
    blender.requests[0].reply({ n: 1 })
    await first
    expect(blender.requests).toHaveLength(1)
    expect(connections.stats()).toMatchObject({ timeouts: 1, waiting: 0 })
    await expectSound(connections, blender)
  })

  test('out of time while connecting: ERR_POOL_ACQUIRE_TIMEOUT, not delivered', async () => {
    const blender = await silentStub(dialect)
    const { ping } = blender
    const pings = []
    blender.ping = (request) => pings.push(request)
    const connections = pool(blender, { maxConnections: 2 })

    const { error } = await outcome(connections.execute(command(), { timeoutMs: 30 }))

    expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no' })
    blender.ping = ping
    for (const request of pings) ping(request)
    await expectSound(connections, blender)
    expect(blender.requests.every(({ asked }) => 'sound' in asked)).toBe(true)
  })

  test.each([
    'timeoutMs',
    'commandTimeoutMs',
  ])('out of time while running, by %s: ERR_POOL_COMMAND_TIMEOUT, and the late answer is nobody else’s', async (limit) => {
    const blender = await silentStub(dialect)
    const options = limit === 'commandTimeoutMs' ? { commandTimeoutMs: 400 } : {}
    const connections = await warmPool(blender, { maxConnections: 1, ...options })
    const call = connections.execute(
      command({ n: 1 }),
      limit === 'timeoutMs' ? { timeoutMs: 400 } : {},
    )
    await blender.until(({ requests }) => requests.length === 1)

    const { error } = await outcome(call)

    expect(error).toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT', delivered: 'maybe' })
    expect(error.message).toContain(`(${limit})`)
    expect(connections.stats()).toMatchObject({ unusable: 1, inUse: 0, timeouts: 1 })
    const next = connections.execute(command({ n: 2 }))
    blender.answer = (request) => request.reply(request.asked)
    blender.requests[0].reply({ n: 'late' })
    expect((await next).result).toEqual({ n: 2 })
    expect(blender).toMatchObject({ peak: 1, accepted: 2 })
    await expectSound(connections, blender)
  })

  test('out of time with half of the reply received: ERR_POOL_COMMAND_TIMEOUT, and delivered', async () => {
    const blender = await silentStub(dialect)
    const connections = await warmPool(blender, { maxConnections: 1, drainTimeoutMs: 50 })
    blender.answer = (request) =>
      request.write(Buffer.concat([request.frame({}).subarray(0, 1), HALF]))

    const { error } = await outcome(connections.execute(command(), { timeoutMs: 1_500 }))

    expect(error).toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT', delivered: 'yes' })
    await expectSound(connections, blender)
  })
})

describe('execute on a connection for each command', () => {
  test('aborted while running: the one socket is read to its end, and then the next is opened', async () => {
    const blender = await silentStub('blender-lab')
    const connections = pool(blender, { maxConnections: 1 })
    const [reason, controller] = [new Error('while running'), new AbortController()]
    const call = connections.execute(ask('blender-lab', { n: 1 }), { signal: controller.signal })
    await blender.until(({ requests }) => requests.length === 1)

    controller.abort(reason)

    expect((await outcome(call)).error).toBe(reason)
    expect(deliveredOf(call)).toBe('maybe')
    const next = connections.execute(ask('blender-lab', { n: 2 }))
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(blender).toMatchObject({ open: 1, accepted: 1 })
    blender.answer = (request) => request.reply(request.asked)
    blender.requests[0].reply({ n: 'late' })
    expect((await next).result).toEqual({ n: 2 })
    expect(blender).toMatchObject({ peak: 1, accepted: 2 })
  })
})

describe('acquire', () => {
  test('aborted before the call: rejects with the reason, and nothing is opened', async () => {
    const blender = await silentStub()
    const connections = pool(blender)
    const reason = new Error('before')
    const { error } = await outcome(connections.acquire({ signal: AbortSignal.abort(reason) }))
    expect(error).toBe(reason)
    expect(blender.accepted).toBe(0)
  })

  test('aborted while waiting: rejects with the reason, and the next in line gets the connection', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const [reason, controller] = [new Error('while waiting'), new AbortController()]
    const second = connections.acquire({ signal: controller.signal })
    const third = connections.acquire()

    controller.abort(reason)

    expect((await outcome(second)).error).toBe(reason)
    await held.release()
    await (await third).release()
    await expectSound(connections, blender)
  })

  test('aborted while connecting: rejects with the reason, and leaks no slot', async () => {
    const blender = await silentStub()
    const { ping } = blender
    const pings = []
    blender.ping = (request) => pings.push(request)
    const connections = pool(blender, { maxConnections: 2 })
    const [reason, controller] = [new Error('while connecting'), new AbortController()]
    const call = connections.acquire({ signal: controller.signal })
    await blender.until(() => pings.length === 1)

    controller.abort(reason)

    expect((await outcome(call)).error).toBe(reason)
    blender.ping = ping
    for (const request of pings) ping(request)
    await expectSound(connections, blender)
  })

  test('aborted after it was granted and before the caller was told: the lease goes back', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1 })
    const held = await connections.acquire()
    const [reason, controller] = [new Error('granted'), new AbortController()]
    const second = connections.acquire({ signal: controller.signal })
    const third = connections.acquire()

    // The second has the slot from here on; its caller would hear of it on a later turn.
    held.release()
    expect(connections.stats()).toMatchObject({ inUse: 1, waiting: 1 })
    controller.abort(reason)

    expect((await outcome(second)).error).toBe(reason)
    const next = await third
    expect(next.id).toBe(held.id)
    await next.release()
    expect(connections.stats()).toMatchObject({ inUse: 0, idle: 1, waiting: 0 })
    await expectSound(connections, blender)
  })

  test('aborted after it was told: the connection stays with its holder', async () => {
    const blender = await stub()
    const connections = pool(blender, { maxConnections: 1 })
    const controller = new AbortController()
    const held = await connections.acquire({ signal: controller.signal })

    controller.abort(new Error('after'))

    expect(held.inUse).toBe(true)
    expect((await held.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    await held.release()
  })

  test('out of time while waiting or connecting: ERR_POOL_ACQUIRE_TIMEOUT, and no slot is lost', async () => {
    const blender = await silentStub()
    const { ping } = blender
    const pings = []
    blender.ping = (request) => pings.push(request)
    const connections = pool(blender, { maxConnections: 2 })
    const late = { code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no', retryable: true }
    expect((await outcome(connections.acquire({ timeoutMs: 30 }))).error).toMatchObject(late)
    blender.ping = ping
    for (const request of pings) ping(request)
    const held = [await connections.acquire(), await connections.acquire()]
    expect((await outcome(connections.acquire({ timeoutMs: 30 }))).error).toMatchObject(late)
    for (const connection of held) await connection.release()
    await expectSound(connections, blender)
  })
})

describe('execute on a held connection', () => {
  async function holdOne(options) {
    const blender = await silentStub()
    const connections = await warmPool(blender, { maxConnections: 1, ...options })
    return { blender, connections, held: await connections.acquire() }
  }

  test('aborted before the call: rejects with the reason, and the connection is as it was', async () => {
    const { blender, connections, held } = await holdOne()
    const reason = new Error('before')
    const call = held.execute(ask('worker'), { signal: AbortSignal.abort(reason) })
    expect((await outcome(call)).error).toBe(reason)
    expect(deliveredOf(call)).toBe('no')
    expect(blender.requests).toHaveLength(0)
    await held.release()
    await expectSound(connections, blender)
    expect(blender.accepted).toBe(1)
  })

  test('aborted behind another command: rejects with the reason, and the others go on over this socket', async () => {
    const { blender, connections, held } = await holdOne()
    const [reason, controller] = [new Error('behind'), new AbortController()]
    const first = held.execute(ask('worker', { n: 1 }))
    const second = held.execute(ask('worker', { n: 2 }), { signal: controller.signal })
    const third = held.execute(ask('worker', { n: 3 }))
    await blender.until(({ requests }) => requests.length === 1)

    controller.abort(reason)

    expect((await outcome(second)).error).toBe(reason)
    expect(deliveredOf(second)).toBe('no')
    blender.answer = (request) => request.reply(request.asked)
    blender.requests[0].reply({ n: 1 })
    expect((await first).result).toEqual({ n: 1 })
    expect((await third).result).toEqual({ n: 3 })
    expect(blender.requests.map(({ asked }) => asked.n)).toEqual([1, 3])
    await held.release()
    await expectSound(connections, blender)
    expect(blender.accepted).toBe(1)
  })

  test('aborted while running: the connection is cut; its other commands and the next ones are lost, releasing it is fine', async () => {
    const { blender, connections, held } = await holdOne()
    const [reason, controller] = [new Error('while running'), new AbortController()]
    const first = held.execute(ask('worker', { n: 1 }), { signal: controller.signal })
    const behind = held.execute(ask('worker', { n: 2 }))
    await blender.until(({ requests }) => requests.length === 1)

    controller.abort(reason)

    expect((await outcome(first)).error).toBe(reason)
    expect(deliveredOf(first)).toBe('maybe')
    const lost = { code: 'ERR_POOL_CONNECTION_LOST', delivered: 'no', connectionId: held.id }
    expect((await outcome(behind)).error).toMatchObject(lost)
    expect((await outcome(held.execute(ask('worker', { n: 3 })))).error).toMatchObject(lost)
    await held.release()
    expect((await outcome(held.release())).error).toMatchObject({ code: 'ERR_POOL_NOT_HELD' })
    blender.requests[0].reply({ n: 'late' })
    await expectSound(connections, blender)
    expect(blender).toMatchObject({ accepted: 2, peak: 1 })
    expect(blender.requests.map(({ asked }) => asked.n ?? 'sound')).toEqual([1, 'sound'])
  })

  test('out of time behind another command, and while running', async () => {
    const { blender, connections, held } = await holdOne()
    const first = held.execute(ask('worker', { n: 1 }), { timeoutMs: 600 })
    await blender.until(({ requests }) => requests.length === 1)
    const behind = await outcome(held.execute(ask('worker', { n: 2 }), { timeoutMs: 30 }))
    expect(behind.error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no' })
    const { error } = await outcome(first)
    expect(error).toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT', delivered: 'maybe' })
    await held.release()
    blender.requests[0].reply({ n: 'late' })
    await expectSound(connections, blender)
  })
})

test('an answer that had come but was not told yet: rejects with the reason, says that the command ran, and harms nobody', async () => {
  const blender = await startChildBlender(0)
  try {
    const connections = pool(blender, { maxConnections: 1 })
    const first = await connections.execute('tick')
    const [reason, controller] = [new Error('not told yet'), new AbortController()]
    const call = connections.execute('tick', { signal: controller.signal })
    expect(connections.stats().commands).toBe(2)
    // JavaScript does not let go of this turn, so it cannot have been told, however soon the answer comes.
    while (connections.stats().inUse > 0);

    controller.abort(reason)

    expect((await outcome(call)).error).toBe(reason)
    await eventually(() => deliveredOf(call) === 'yes')
    const next = await connections.execute('tick')
    expect(next.result.connection).toBe(first.result.connection)
    expect(connections.stats()).toMatchObject({ idle: 1, inUse: 0, created: 1 })
  } finally {
    await blender.stop()
  }
})

test('ten thousand calls on one signal put one listener on it, and leave none', async () => {
  const blender = await stub()
  const connections = pool(blender, { maxConnections: 3 })
  const { signal } = new AbortController()
  const listeners = () => getEventListeners(signal, 'abort').length
  const calls = Array.from({ length: 10_000 }, (_, n) =>
    connections.execute(ask('worker', { n }), { signal }),
  )
  expect(listeners()).toBe(1)
  await Promise.all(calls)
  expect(listeners()).toBe(0)
  const held = await connections.acquire({ signal })
  expect(listeners()).toBe(0)
  await held.execute(ask('worker'), { signal })
  await held.release()
  expect(listeners()).toBe(0)
  await outcome(connections.execute({ type: 1 }, { signal }))
  await outcome(connections.execute(ask('worker'), { signal, timeoutMs: 0 }))
  expect(listeners()).toBe(0)
})

test('ten thousand calls aborted by one signal all reject with its reason, and leave nothing behind', async () => {
  const blender = await silentStub()
  const connections = pool(blender, { maxConnections: 3 })
  const [reason, controller] = [new Error('all of you'), new AbortController()]
  const { signal } = controller
  const calls = Array.from({ length: 10_000 }, (_, n) =>
    outcome(connections.execute(ask('worker', { n }), { signal })),
  )
  await blender.until(({ requests }) => requests.length === 3)

  controller.abort(reason)

  for (const { error } of await Promise.all(calls)) expect(error).toBe(reason)
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  expect(connections.stats()).toMatchObject({ waiting: 0, inUse: 0, aborted: 10_000 })
  for (const request of blender.requests) request.reply({ n: 'late' })
  await expectSound(connections, blender)
})

describe('aborting from within a listener', () => {
  test.each([
    'connectionCreated',
    'connectionReady',
  ])('of %s: the waiting call rejects, and the connection is there for the next', async (event) => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1 })
    const [reason, controller] = [new Error(event), new AbortController()]
    connections.once(event, () => controller.abort(reason))
    const running = connections.execute(ask('worker', { n: 1 }))
    const waiting = connections.execute(ask('worker', { n: 2 }), { signal: controller.signal })
    expect((await outcome(waiting)).error).toBe(reason)
    await blender.until(({ requests }) => requests.length === 1)
    blender.requests[0].reply({ n: 1 })
    expect((await running).result).toEqual({ n: 1 })
    await expectSound(connections, blender)
  })

  test('of the abort of another call: both reject, each with its own reason', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 2 })
    const [one, two] = [new AbortController(), new AbortController()]
    const reasons = [new Error('one'), new Error('two')]
    one.signal.addEventListener('abort', () => two.abort(reasons[1]))
    const calls = [one, two].map(({ signal }) => connections.execute(ask('worker'), { signal }))
    await blender.until(({ requests }) => requests.length === 2)

    one.abort(reasons[0])

    const outcomes = await Promise.all(calls.map(outcome))
    expect(outcomes.map(({ error }) => error)).toEqual(reasons)
    expect(outcomes[0].error).toBe(reasons[0])
    for (const request of blender.requests) request.reply({ n: 'late' })
    await expectSound(connections, blender)
  })

  test('of the abort of the very signal: calls made there reject too, and later calls are served', async () => {
    const blender = await silentStub()
    const connections = pool(blender, { maxConnections: 1 })
    const [reason, controller] = [new Error('abort'), new AbortController()]
    const { signal } = controller
    const first = outcome(connections.execute(ask('worker'), { signal }))
    let inside
    signal.addEventListener('abort', () => {
      inside = [
        outcome(connections.execute(ask('worker'), { signal })),
        outcome(connections.acquire({ signal })),
      ]
    })
    await blender.until(({ requests }) => requests.length === 1)

    controller.abort(reason)

    for (const { error } of await Promise.all([first, ...inside])) expect(error).toBe(reason)
    blender.requests[0].reply({ n: 'late' })
    await expectSound(connections, blender)
  })

  test('of commandAborted, which tells truthfully what was aborted', async () => {
    const blender = await silentStub()
    const connections = await warmPool(blender, { maxConnections: 1 })
    const [one, two] = [new AbortController(), new AbortController()]
    const told = []
    connections.on('commandAborted', (event) => {
      told.push(event)
      two.abort('two')
    })
    const running = connections.execute(ask('worker'), { signal: one.signal })
    const waiting = connections.execute(ask('worker'), { signal: two.signal })
    await blender.until(({ requests }) => requests.length === 1)

    one.abort('one')

    expect((await outcome(running)).error).toBe('one')
    expect((await outcome(waiting)).error).toBe('two')
    await eventually(() => told.length === 2)
    expect(told).toEqual([
      { type: 'ask', delivered: 'maybe', reason: 'one' },
      { type: 'ask', delivered: 'no', reason: 'two' },
    ])
    blender.requests[0].reply({ n: 'late' })
    await expectSound(connections, blender)
  })
})
