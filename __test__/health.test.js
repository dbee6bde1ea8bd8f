'use strict'

// Health checks: all that is idle is asked at the same time and nobody waits for it; what is in use is
// left in peace, what is too old is closed unasked; a sick Blender is a report and never a rejection.

const { PoolError } = require('..')
const { arena, eventually, openIdle, outcome, quietTime } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { record } = require('./support/figures')
const { quietPort } = require('./support/quiet-port')
const { ask } = require('./support/stub-blender')

const { pool, simulator, stub } = arena()

const PING_MS = 200
/** Nothing happens but what a test asks for. */
const STILL = { idleTimeoutMs: 0, maxLifetimeMs: 0, healthCheckIntervalMs: 0 }

/** `count` idle connections to a server that keeps each ping of them until the test answers it. */
async function keptPings(count, options) {
  const blender = await stub()
  const connections = pool(blender, {
    ...STILL,
    maxConnections: count,
    maxConnecting: count,
    healthCheckTimeoutMs: 60_000,
    ...options,
  })
  const held = await Promise.all(Array.from({ length: count }, () => connections.acquire()))
  for (const connection of held) await connection.release()
  const ids = held.map(({ id }) => id)
  const pings = []
  blender.ping = (request) => {
    if (request.connection <= count) pings.push(request)
    else request.reply({ pong: true })
  }
  const answer = () => {
    for (const ping of pings.splice(0)) ping.reply({ pong: true })
  }
  return { blender, connections, ids, pings, answer }
}

describe('a round', () => {
  test.each([
    5, 20, 100,
  ])('over %d connections whose ping takes 200 ms asks them at the same time', async (count) => {
    const blender = await simulator({ dialect: 'worker', beatMs: 0 })
    const connections = pool(blender, {
      ...STILL,
      minConnections: count,
      maxConnections: count,
      maxConnecting: 20,
      healthCheckConcurrency: count,
    })
    await connections.warm()
    blender.setFaults({ command: 'ping', delayMs: PING_MS })
    const begun = performance.now()
    const report = await connections.checkHealth()
    const tookMs = performance.now() - begun
    record(`health round of ${count}, ping ${PING_MS} ms`, tookMs)
    // One after another, five of them take a second and a hundred take twenty.
    expect(tookMs).toBeLessThan(PING_MS * Math.max(4, count / 4))
    expect(report.connections).toHaveLength(count)
    for (const { ok, latencyMs } of report.connections) {
      expect(ok).toBe(true)
      expect(latencyMs).toBeGreaterThan(PING_MS / 2)
    }
    expect(connections.stats()).toMatchObject({ idle: count, healthChecks: count, commands: 0 })
  })

  test('holds up no acquire: as long as no ping is answered, another connection is opened and used', async () => {
    const { blender, connections, pings, answer } = await keptPings(20, { maxConnections: 21 })
    const report = connections.checkHealth()
    await blender.until(() => pings.length === 20)
    expect(connections.stats()).toMatchObject({ unusable: 20, idle: 0 })
    const waits = []
    for (let n = 0; n < 200; n++) {
      const begun = performance.now()
      const held = await connections.acquire()
      waits.push(performance.now() - begun)
      if (n % 20 === 0) await held.execute(ask('worker', { n }))
      await held.release()
    }
    // Not one ping has been answered by now.
    expect(pings).toHaveLength(20)
    expect(blender.accepted).toBe(21)
    answer()
    await report
    // The first one was opened.
    waits.splice(0, 1)
    waits.sort((a, b) => a - b)
    record('acquire p99 during a health round', waits[Math.floor(waits.length * 0.99)])
  })

  test('holds up no acquire that another idle connection can serve', async () => {
    const { blender, connections, pings, answer } = await keptPings(6, {
      healthCheckConcurrency: 4,
    })
    const report = connections.checkHealth()
    await blender.until(() => pings.length === 4)
    for (let n = 0; n < 20; n++) await connections.use(() => {})
    expect(pings).toHaveLength(4)
    expect(blender.accepted).toBe(6)
    blender.ping = (request) => request.reply({ pong: true })
    answer()
    const { connections: lines } = await report
    expect(lines.filter(({ ok }) => ok === false)).toEqual([])
  })

  test('over a hundred connections never asks more at the same time than it may', async () => {
    const { blender, connections, pings } = await keptPings(100, { healthCheckConcurrency: 7 })
    let open = 0
    let most = 0
    const asked = new Set()
    blender.ping = (request) => {
      most = Math.max(most, ++open)
      asked.add(request.connection)
      pings.push(request)
      setImmediate(() => {
        open--
        request.reply({ pong: true })
      })
    }
    const report = await connections.checkHealth()
    expect(most).toBe(7)
    expect(asked.size).toBe(100)
    expect(pings).toHaveLength(100)
    expect(report.connections.filter(({ ok }) => ok)).toHaveLength(100)
  })

  test('leaves in peace what is in use, and says so', async () => {
    const { blender, connections, pings, answer } = await keptPings(5)
    const held = [await connections.acquire(), await connections.acquire()]
    const running = held[0].execute(ask('worker', { n: 1 }))
    const busy = new Set(held.map(({ id }) => id))
    const reporting = connections.checkHealth()
    await blender.until(() => pings.length === 3)
    answer()
    const report = await reporting
    await running
    for (const { id, ok, latencyMs } of report.connections) {
      expect([id, ok]).toEqual([id, busy.has(id) ? null : true])
      if (busy.has(id)) expect(latencyMs).toBeNull()
    }
    expect(report.connections).toHaveLength(5)
    expect(report.endpoints).toMatchObject([{ checked: 3, failed: 0, busy: 2 }])
    for (const connection of held) await connection.release()
  })

  test('closes unasked what was idle for too long', async () => {
    const blender = await stub()
    const connections = pool(blender, { ...STILL, idleTimeoutMs: 30, maintenanceIntervalMs: 0 })
    const told = new Chronicle(connections)
    await openIdle(connections, 3)
    const { pings } = blender
    await quietTime(60)
    await connections.checkHealth()
    const closed = await told.has('connectionClosed', 3)
    expect(closed.map(({ reason }) => reason)).toEqual(['idle', 'idle', 'idle'])
    // One ping more at the most: that of a connection opened for the report.
    expect(blender.pings - pings).toBeLessThanOrEqual(1)
    expect(connections.stats()).toMatchObject({ healthChecks: 0 })
  })

  test('comes by itself every healthCheckIntervalMs, and never with 0', async () => {
    const blender = await stub()
    const still = pool(blender, STILL)
    await openIdle(still, 2)
    const quiet = blender.pings
    await quietTime(60)
    expect(blender.pings).toBe(quiet)
    const brisk = pool(blender, { ...STILL, healthCheckIntervalMs: 20 })
    const told = new Chronicle(brisk)
    await openIdle(brisk, 2)
    const [succeeded] = await told.has('healthCheckSucceeded', 6)
    expect(succeeded).toMatchObject({ endpoint: blender.address, durationMs: expect.any(Number) })
    expect(
      new Set(told.of('healthCheckSucceeded').map(({ connectionId }) => connectionId)),
    ).toEqual(new Set([1, 2]))
    expect(brisk.stats()).toMatchObject({ commands: 0, commandErrors: 0, timeouts: 0 })
  })
})

describe('a connection that does not answer', () => {
  test('fails check after check, and is closed as unhealthy at the last', async () => {
    const blender = await stub()
    const connections = pool(blender, {
      ...STILL,
      maxConnections: 2,
      healthCheckTimeoutMs: 250,
      healthCheckFailures: 3,
      drainTimeoutMs: 20,
    })
    const told = new Chronicle(connections)
    await openIdle(connections, 2)
    const good = blender.ping
    blender.ping = (request) => request.connection === 2 || good(request)
    const report = await connections.checkHealth()
    expect(report.connections).toMatchObject([
      { id: 1, ok: true },
      { id: 2, ok: false, latencyMs: null },
    ])
    expect(report.connections[1].error).toBeInstanceOf(PoolError)
    expect(report.status).toBe('degraded')
    expect(report.reasons.length).toBeGreaterThan(0)
    const failed = await told.has('healthCheckFailed', 3)
    expect(failed).toMatchObject(
      [1, 2, 3].map((consecutiveFailures) => ({
        connectionId: 2,
        endpoint: blender.address,
        error: { name: 'PoolError' },
        consecutiveFailures,
      })),
    )
    const [closed] = await told.has('connectionClosed')
    expect(closed).toMatchObject({
      connectionId: 2,
      reason: 'unhealthy',
      error: { name: 'PoolError' },
    })
    expect(connections.stats()).toMatchObject({
      total: 1,
      healthCheckFailures: 3,
      closed: { unhealthy: 1 },
    })
    expect(told.faults()).toEqual([])
  })

  test('is given out again once it has answered, however late', async () => {
    const { blender, connections, pings, answer } = await keptPings(1, {
      healthCheckTimeoutMs: 20,
      healthCheckFailures: 1_000,
    })
    const told = new Chronicle(connections)
    const report = connections.checkHealth()
    await blender.until(() => pings.length === 1)
    await told.has('healthCheckFailed')
    expect(connections.connections()[0].healthFailures).toBeGreaterThanOrEqual(1)
    answer()
    await told.has('healthCheckSucceeded')
    await report
    expect((await connections.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    expect(connections.connections()).toMatchObject([{ id: 1, healthFailures: 0 }])
    expect(pings).toEqual([])
  })
})

describe('a report', () => {
  test('of a healthy pool has everything in it', async () => {
    const { blender, connections, pings, answer } = await keptPings(2)
    const reporting = connections.checkHealth()
    await blender.until(() => pings.length === 2)
    answer()
    const report = await reporting
    expect(report).toMatchObject({
      status: 'healthy',
      reasons: [],
      state: 'ready',
      checkedAt: expect.any(Number),
      durationMs: expect.any(Number),
      endpoints: [
        { name: blender.address, status: 'healthy', reasons: [], checked: 2, failed: 0, busy: 0 },
      ],
      connections: [
        { id: 1, endpoint: blender.address, ok: true, latencyMs: expect.any(Number) },
        { id: 2, endpoint: blender.address, ok: true, latencyMs: expect.any(Number) },
      ],
      stats: { total: 2, idle: 2, healthChecks: 2 },
    })
    expect(Math.abs(report.checkedAt - Date.now())).toBeLessThan(60_000)
  })

  test('is given of what is dead, paused, closing or closed, and never a rejection', async () => {
    const dead = pool(
      { address: `127.0.0.1:${await quietPort()}`, dialect: 'worker' },
      { ...STILL, connectRetryMs: 0 },
    )
    const report = await dead.checkHealth()
    expect(report).toMatchObject({ status: 'unhealthy', endpoints: [{ status: 'unhealthy' }] })
    expect(report.reasons.join()).toMatch(/connect/)

    const blender = await stub()
    const connections = pool(blender, STILL)
    const held = await connections.acquire()
    connections.pause()
    expect(await connections.checkHealth()).toMatchObject({ state: 'paused' })
    const closing = connections.close({ timeoutMs: 60_000 })
    expect(await connections.checkHealth()).toMatchObject({
      state: 'closing',
      status: 'unhealthy',
    })
    await held.release()
    await closing
    expect(await connections.checkHealth()).toMatchObject({ state: 'closed', status: 'unhealthy' })
  })

  test.each([
    ['close', (connections) => connections.close({ force: true })],
    ['clear', (connections) => connections.clear()],
    ['pause', (connections) => connections.pause()],
    ['the end of all connections', (_connections, blender) => blender.kill()],
  ])('comes though %s comes in between', async (_what, order) => {
    const { blender, connections, pings, answer } = await keptPings(3, { connectRetryMs: 0 })
    const reports = [connections.checkHealth(), connections.checkHealth()]
    await blender.until(() => pings.length === 3)
    // Both wait for the same pings.
    await order(connections, blender)
    answer()
    for (const report of await Promise.all(reports)) {
      expect(['healthy', 'degraded', 'unhealthy']).toContain(report.status)
      expect(report.connections.length).toBeLessThanOrEqual(4)
    }
    await eventually(() => connections.stats().unusable === 0)
  })

  test('asks every endpoint, and tells the sick from the sound', async () => {
    const sound = await stub()
    const connections = pool(null, {
      ...STILL,
      dialect: 'worker',
      connectRetryMs: 0,
      endpoints: [
        { name: 'sound', address: sound.address },
        { name: 'sick', address: `127.0.0.1:${await quietPort()}` },
      ],
    })
    await openIdle(connections, 2, { endpoint: 'sound' })
    const report = await connections.checkHealth()
    expect(report.status).toBe('degraded')
    expect(report.endpoints).toMatchObject([
      { name: 'sound', status: 'healthy', checked: 2 },
      { name: 'sick', status: 'unhealthy' },
    ])
    expect(report.reasons.join()).toContain('sick')
    expect((await outcome(connections.execute(ask('worker')))).value.success).toBe(true)
  })
})
