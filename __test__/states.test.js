'use strict'

// The states of a connection as connections() shows them, each held in place by a server that does not
// answer, a holder that does not let go, or a hook that does not end:
//
//   created -> initializing -> idle <-> inUse -> unusable -> closed
//
// `created` and `closed` last for a few instructions inside one critical section, so that no snapshot can
// be taken between; they are shown by the events that mark them, connectionCreated and connectionClosed.

const { arena, eventually, outcome } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

const STATES = ['created', 'initializing', 'idle', 'inUse', 'unusable', 'closed']

/** What `connections()` shows, by number. */
const shown = (connections) =>
  Object.fromEntries(connections.connections().map(({ id, state }) => [id, state]))

test('from created to closed, each state is seen for as long as it lasts', async () => {
  const pings = []
  const blender = await stub({ ping: (request) => pings.push(request), answer: () => {} })
  const connections = pool(blender, { maxConnections: 1, drainTimeoutMs: 60_000 })
  const told = new Chronicle(connections)
  expect(shown(connections)).toEqual({})

  const acquiring = connections.acquire()
  await told.has('connectionCreated')
  await blender.until(() => pings.length === 1)
  expect(shown(connections)).toEqual({ 1: 'initializing' })
  expect(connections.stats()).toMatchObject({ connecting: 1, total: 1, idle: 0, inUse: 0 })

  pings[0].reply({ pong: true })
  const held = await acquiring
  expect(shown(connections)).toEqual({ 1: 'inUse' })
  expect(connections.stats()).toMatchObject({ connecting: 0, inUse: 1 })

  await held.release()
  expect(shown(connections)).toEqual({ 1: 'idle' })
  expect(connections.stats()).toMatchObject({ idle: 1, inUse: 0 })

  const giveUp = new AbortController()
  const cut = outcome(connections.execute(ask('worker', { n: 1 }), { signal: giveUp.signal }))
  await blender.until(({ requests }) => requests.length === 1)
  expect(shown(connections)).toEqual({ 1: 'inUse' })
  giveUp.abort()
  await cut
  // It drains what is still to come, and keeps its slot meanwhile.
  expect(shown(connections)).toEqual({ 1: 'unusable' })
  expect(connections.stats()).toMatchObject({ unusable: 1, total: 1 })

  blender.requests[0].reply({ n: 1 })
  await told.has('connectionClosed')
  expect(shown(connections)).toEqual({})
  expect(told.faults()).toEqual([])
})

test('initializing: as long as onConnect runs, too', async () => {
  const blender = await stub()
  let end
  const connections = pool(blender, {
    onConnect: () =>
      new Promise((resolve) => {
        end = resolve
      }),
  })
  const acquiring = connections.acquire()
  await eventually(() => end !== undefined)
  expect(shown(connections)).toEqual({ 1: 'initializing' })
  end()
  const held = await acquiring
  expect(shown(connections)).toEqual({ 1: 'inUse' })
  await held.release()
})

test.each([
  ['onRelease', (_connections, held) => held.release()],
  ['recycle', (connections, held, wait) => connections.recycle(held, wait)],
])('unusable: as long as %s runs', async (hook, letGo) => {
  const blender = await stub()
  let end
  const wait = () =>
    new Promise((resolve) => {
      end = resolve
    })
  const connections = pool(blender, hook === 'onRelease' ? { onRelease: wait } : {})
  const held = await connections.acquire()
  const letting = letGo(connections, held, wait)
  await eventually(() => end !== undefined)
  expect(shown(connections)).toEqual({ 1: 'unusable' })
  expect(connections.tryAcquire()).toBeNull()
  end()
  await letting
  await eventually(() => shown(connections)[1] === 'idle')
})

test('unusable: as long as a health check runs', async () => {
  const blender = await stub()
  const connections = pool(blender)
  await connections.execute(ask('worker'))
  const pings = []
  blender.ping = (request) => pings.push(request)
  const report = connections.checkHealth()
  await blender.until(() => pings.length === 1)
  expect(shown(connections)).toEqual({ 1: 'unusable' })
  pings[0].reply({ pong: true })
  await report
  expect(shown(connections)).toEqual({ 1: 'idle' })
})

test('no snapshot ever shows another word, or a connection twice, whatever goes on', async () => {
  const blender = await stub({ answer: (request) => setImmediate(() => request.reply({})) })
  const connections = pool(blender, { maxConnections: 4, maxUses: 5 })
  const seen = new Set()
  let isOver = false
  const work = Promise.all(
    Array.from({ length: 8 }, async (_, n) => {
      for (let round = 0; round < 40; round++) {
        if (n % 4 === 0) await connections.use((held) => held.execute(ask('worker')))
        else if (n % 4 === 1) await (await connections.acquire()).discard()
        else await connections.execute(ask('worker'))
      }
    }),
  ).finally(() => {
    isOver = true
  })
  await eventually(() => {
    const all = connections.connections()
    for (const { state } of all) seen.add(state)
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
    expect(new Set(all.map(({ slot }) => slot)).size).toBe(all.length)
    return isOver
  })
  await work
  expect(STATES).toEqual(expect.arrayContaining([...seen]))
  expect(seen).toContain('inUse')
})
