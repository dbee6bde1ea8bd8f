'use strict'

// Never more sockets than allowed, every answer right, first come first served: with a server that
// answers out of rhythm and far more callers than connections.

const { arena } = require('./support/arena')
const { ask } = require('./support/stub-blender')

const CALLS = 500
const { pool, stub, simulator } = arena()

/** Answers some commands at once, some a turn later, and some milliseconds later. */
function outOfRhythm(request) {
  const { n } = request.asked
  const answer = () => request.reply({ for: n, square: n * n })
  const rhythm = (n * 7919) % 13
  if (rhythm < 4) answer()
  else if (rhythm < 8) setImmediate(answer)
  else setTimeout(answer, rhythm - 7)
}

function callAll(connections, dialect) {
  const calls = Array.from({ length: CALLS }, (_, n) =>
    connections
      .execute(ask(dialect, { n }))
      .then(({ success, result }) => ({ success, ...result })),
  )
  return Promise.all(calls)
}

const RIGHT = Array.from({ length: CALLS }, (_, n) => ({ success: true, for: n, square: n * n }))

describe.each(['worker', 'blender-mcp-server'])('%s', (dialect) => {
  test('500 calls over 3 connections: never a fourth socket, every answer right, nobody far out of turn', async () => {
    const blender = await stub({ dialect, answer: outOfRhythm })
    const connections = pool(blender, { maxConnections: 3 })

    expect(await callAll(connections, dialect)).toEqual(RIGHT)

    expect(blender.peak).toBe(3)
    expect(blender.accepted).toBe(3)
    expect(blender.requests).toHaveLength(CALLS)
    // Commands are begun in the order of the calls. What three sockets make of it: one that was begun
    // may be read after some that were begun later on the other two.
    const outOfTurn = blender.requests.map((request, place) => Math.abs(request.asked.n - place))
    expect(Math.max(...outOfTurn)).toBeLessThan(30)
    expect(connections.stats()).toMatchObject({ commands: CALLS, inUse: 0, waiting: 0, idle: 3 })
  })

  test('500 calls over one connection arrive in the very order in which they were made', async () => {
    const blender = await stub({ dialect, answer: outOfRhythm })
    const connections = pool(blender, { maxConnections: 1 })

    expect(await callAll(connections, dialect)).toEqual(RIGHT)

    expect(blender.peak).toBe(1)
    expect(blender.requests.map((request) => request.asked.n)).toEqual(RIGHT.map((_, n) => n))
  })
})

test('blender-mcp: 500 calls, never two of them in Blender, in the very order in which they were made', async () => {
  const blender = await simulator({ dialect: 'blender-mcp', beatMs: 1, jitterMs: 3 })
  const connections = pool(blender, { maxConnections: 3 })
  // All three are open, so that nothing but the pool keeps the commands apart.
  const held = await Promise.all([1, 2, 3].map(() => connections.acquire()))
  for (const connection of held) await connection.release()

  const calls = Array.from({ length: CALLS }, (_, n) =>
    connections.execute({ type: 'echo', params: { n } }),
  )
  const answers = await Promise.all(calls)

  expect(answers.map(({ result }) => result.n)).toEqual(RIGHT.map((_, n) => n))
  const { peak, peakInFlight, violations, commands } = blender.stats()
  expect(peak).toBe(3)
  expect(peakInFlight).toBe(1)
  expect(violations).toEqual([])
  const echoes = commands.filter(({ command }) => command === 'echo')
  expect(echoes.map(({ params }) => params.n)).toEqual(RIGHT.map((_, n) => n))
})

test('blender-mcp: holders get their connections at the same time, and still run one command at a time', async () => {
  const blender = await simulator({ dialect: 'blender-mcp', beatMs: 1, jitterMs: 3 })
  const connections = pool(blender, { maxConnections: 3 })

  const held = await Promise.all([1, 2, 3].map(() => connections.acquire()))
  const answers = await Promise.all(
    Array.from({ length: 90 }, (_, n) => held[n % 3].execute({ type: 'echo', params: { n } })),
  )

  expect(answers.map(({ result }) => result.n)).toEqual(answers.map((_, n) => n))
  expect(blender.stats()).toMatchObject({ peak: 3, peakInFlight: 1, violations: [] })
})
