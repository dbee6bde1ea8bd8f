'use strict'

// Nobody is there for two seconds, and five wait: a handful of attempts, next to no work, and the
// system's own error for who asks why.

const { once } = require('node:events')

const { expectBalanced } = require('./support/fault')
const { outcome, quietTime } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { record } = require('./support/figures')
const { newPool, rawServer } = require('./support/stage')
const { quietPort } = require('./support/quiet-port')

const OUTAGE_MS = 2_000
const WAITERS = 5
const MOST_ATTEMPTS = 10
/** Measured below 1 %. A loop that tries without a pause takes a whole core. */
const MOST_CPU = 0.3

/** Five wait as long as the outage lasts. Gives their errors and what of a core it took. */
async function endure(connections) {
  const before = process.cpuUsage()
  const begun = performance.now()
  const waiting = Array.from({ length: WAITERS }, (_, n) =>
    outcome(
      n % 2 === 0
        ? connections.acquire({ timeoutMs: OUTAGE_MS })
        : connections.execute('ping', { timeoutMs: OUTAGE_MS }),
    ),
  )
  const errors = (await Promise.all(waiting)).map(({ error }) => error)
  const { user, system } = process.cpuUsage(before)
  const share = (user + system) / 1_000 / (performance.now() - begun)
  return { errors, share }
}

/** They wait through all attempts, and the pool's own pauses between these count. */
const PATIENT = { dialect: 'worker', connectRetryMs: 60_000, maxConnections: 5 }

function expectCause(errors, codes) {
  expect(errors).toHaveLength(WAITERS)
  for (const error of errors) {
    expect(error).toMatchObject({ name: 'PoolError', delivered: 'no', retryable: true })
    expect(codes).toContain(error.cause?.code)
  }
}

test('a port that refuses', async () => {
  const connections = newPool({ endpoints: `127.0.0.1:${await quietPort()}`, ...PATIENT })
  const told = new Chronicle(connections)
  const { errors, share } = await endure(connections)
  expectCause(errors, ['ECONNREFUSED'])
  const attempts = told.of('connectionCreated').length
  record('attempts at a port that refuses, 5 waiters, 2 s', attempts, '')
  record('work for a port that refuses, 5 waiters, 2 s', 100 * share, '% of a core')
  expect(attempts).toBeLessThanOrEqual(MOST_ATTEMPTS)
  expect(share).toBeLessThan(MOST_CPU)
  expectBalanced(connections)
  expect(told.faults()).toEqual([])
})

test('a listener that resets whoever comes', async () => {
  const server = await rawServer((socket) => socket.resetAndDestroy())
  const connections = newPool({ endpoints: server.address, ...PATIENT })
  const { errors, share } = await endure(connections)
  expectCause(errors, ['ECONNRESET', 'EPIPE'])
  record('attempts at a listener that resets, 5 waiters, 2 s', server.connects, '')
  record('work for a listener that resets, 5 waiters, 2 s', 100 * share, '% of a core')
  expect(server.connects).toBeLessThanOrEqual(MOST_ATTEMPTS)
  expect(share).toBeLessThan(MOST_CPU)
})

test('a pool that must keep connections and has nobody to talk to tries no more often', async () => {
  const server = await rawServer((socket) => socket.resetAndDestroy())
  const connections = newPool({
    endpoints: server.address,
    ...PATIENT,
    minConnections: 5,
    maintenanceIntervalMs: 10,
  })
  const before = process.cpuUsage()
  await once(connections, 'connectionClosed')
  await quietTime(1_000)
  const { user, system } = process.cpuUsage(before)
  record('attempts for a minimum of 5 in 1 s', server.connects, '')
  expect(server.connects).toBeLessThanOrEqual(MOST_ATTEMPTS)
  expect((user + system) / 1_000 / 1_000).toBeLessThan(MOST_CPU)
})
