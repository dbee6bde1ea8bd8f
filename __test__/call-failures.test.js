'use strict'

// What a call that fails carries: the line of its caller, and the pool's figures of its own moment.

const { arena, outcome } = require('./support/arena')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

/** With or without `async`, as whoever shows the stack writes it. */
const NAMED_CALLER = /at (async )?namedCaller .*call-failures\.test\.js/
const SOON = { timeoutMs: 20 }

/** A pool whose only connection is held. */
async function fullPool(options) {
  const blender = await stub()
  const connections = pool(blender, { maxConnections: 1, ...options })
  await connections.acquire()
  return connections
}

test('the figures of those who time out together, and of one who does so later, are their own', async () => {
  const connections = await fullPool()
  const together = await Promise.all([
    outcome(connections.acquire(SOON)),
    outcome(connections.execute(ask('worker'), SOON)),
  ])
  for (const { error } of together) {
    expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', stats: { inUse: 1, idle: 0 } })
  }
  const { error } = await outcome(connections.acquire(SOON))
  expect(error.stats).toMatchObject({ inUse: 1, timeouts: 3 })
  error.stats.timeouts = 0
  expect(error.stats.timeouts).toBe(3)
})

test('the figures of a call that is refused at once are those of its call', async () => {
  const connections = await fullPool({ maxWaiting: 1 })
  const waiting = outcome(connections.execute(ask('worker')))
  const { error } = await outcome(connections.execute(ask('worker')))
  expect(error).toMatchObject({ code: 'ERR_POOL_QUEUE_FULL', stats: { waiting: 1 } })
  await connections.close({ force: true })
  expect((await waiting).error).toMatchObject({ code: 'ERR_POOL_CLOSED', stats: { waiting: 0 } })
})

describe('the stack of a command that fails leads to its caller', () => {
  async function namedCaller(connections, options) {
    return await connections.execute(ask('worker'), options)
  }

  test('when it waited in vain', async () => {
    const connections = await fullPool()
    const { error } = await outcome(namedCaller(connections, SOON))
    expect(error.code).toBe('ERR_POOL_ACQUIRE_TIMEOUT')
    expect(error.stack).toMatch(NAMED_CALLER)
  })

  test('when it failed in Blender', async () => {
    const blender = await stub({
      answer: (request) => request.fail('no such object'),
    })
    const { error } = await outcome(namedCaller(pool(blender), { rejectOnError: true }))
    expect(error.code).toBe('ERR_POOL_COMMAND_FAILED')
    expect(error.stack).toMatch(NAMED_CALLER)
  })
})
