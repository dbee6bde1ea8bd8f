'use strict'

// A JavaScript thread that stands still for a second does not stop the queue.

const { arena } = require('./support/arena')
const { startChildBlender } = require('./support/child-blender')

const BLOCKED_MS = 1_000
const CONNECTIONS = 4
const CALLS = 240
const ANSWER_MS = 4

const { pool } = arena()

let blender
beforeAll(async () => {
  blender = await startChildBlender(ANSWER_MS)
})
afterAll(() => blender.stop())

/** JavaScript does nothing at all meanwhile: no timers, no callbacks, no promises. */
function standStill(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

async function warmPool() {
  const connections = pool(blender, { maxConnections: CONNECTIONS })
  const held = await Promise.all(Array.from({ length: CONNECTIONS }, () => connections.acquire()))
  await Promise.all(held.map((connection) => connection.release()))
  return connections
}

test('queued commands run on all connections while JavaScript stands still for a second', async () => {
  const connections = await warmPool()
  let settled = 0
  const calls = Array.from({ length: CALLS }, () =>
    connections.execute('tick').then((reply) => {
      settled++
      return reply.result
    }),
  )
  const began = Date.now()
  standStill(BLOCKED_MS)
  const ended = Date.now()
  expect(settled).toBe(0)

  const results = await Promise.all(calls)
  const meanwhile = results.filter(({ at }) => at >= began && at <= ended)
  // They need some 300 ms of the second where nothing else runs.
  expect(meanwhile.length).toBeGreaterThan(0.9 * CALLS)
  expect(new Set(meanwhile.map(({ connection }) => connection)).size).toBe(CONNECTIONS)
})

test('commands of one holder run one after another while JavaScript stands still', async () => {
  const connections = pool(blender)
  const held = await connections.acquire()
  const calls = Array.from({ length: 50 }, () => held.execute('tick'))
  const began = Date.now()
  standStill(BLOCKED_MS)
  const ended = Date.now()

  const results = (await Promise.all(calls)).map(({ result }) => result)
  const meanwhile = results.filter(({ at }) => at >= began && at <= ended)
  expect(meanwhile.length).toBeGreaterThan(0.9 * calls.length)
  expect(new Set(results.map(({ connection }) => connection)).size).toBe(1)
})

test('connections are opened while JavaScript stands still', async () => {
  const connections = pool(blender, { maxConnections: CONNECTIONS })
  const calls = Array.from({ length: 100 }, () => connections.execute('tick'))
  const began = Date.now()
  standStill(BLOCKED_MS)
  const ended = Date.now()

  const results = (await Promise.all(calls)).map(({ result }) => result)
  const meanwhile = results.filter(({ at }) => at >= began && at <= ended)
  expect(meanwhile.length).toBeGreaterThan(0.9 * calls.length)
})
