'use strict'

// What a pool says of itself before somebody complains: alerts on figures out of place, connections that
// are held for too long, and how long things take.

const { arena, openIdle, outcome, quietTime } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { ask } = require('./support/stub-blender')

const { pool, stub } = arena()

/** Only the alert that a test is about. */
const SILENT = {
  idleTimeoutMs: 0,
  maxLifetimeMs: 0,
  healthCheckIntervalMs: 0,
  maintenanceIntervalMs: 5,
  alertQueueDepth: 0,
  alertWaitMs: 0,
  alertUsePercent: 0,
  alertFailedChecks: 0,
  alertOldestWaitMs: 0,
}

/** A pool of one connection, which is held. */
async function crowded(options) {
  const blender = await stub()
  const connections = pool(blender, { ...SILENT, maxConnections: 1, ...options })
  const told = new Chronicle(connections)
  const held = await connections.acquire()
  return { blender, connections, told, held }
}

const alert = (severity, metric, threshold) => ({
  event: 'alert',
  severity,
  metric,
  threshold,
  value: expect.any(Number),
  message: expect.stringMatching(/\S+ \S+ \S+/),
})

describe('an alert', () => {
  test('queueDepth: so many calls wait', async () => {
    const { connections, told, held } = await crowded({ alertQueueDepth: 3 })
    const waiting = [1, 2].map(() => connections.acquire())
    await quietTime(20)
    expect(told.of('alert')).toEqual([])
    waiting.push(connections.acquire(), connections.acquire())
    expect(await told.has('alert')).toEqual([alert('info', 'queueDepth', 3)])
    expect(told.of('alert')[0].value).toBeGreaterThanOrEqual(3)
    await held.release()
    for (const call of waiting) await (await call).release()
    await told.has('connectionCheckedIn', 5)
    expect(told.of('alert')).toHaveLength(1)
  })

  test('waitMs: a call has waited long for its connection', async () => {
    const { blender, connections, told, held } = await crowded({ alertWaitMs: 500 })
    const waiting = connections.acquire()
    await quietTime(600)
    expect(told.of('alert')).toEqual([])
    await held.release()
    await (await waiting).release()
    const [slow] = await told.has('alert')
    expect(slow).toEqual({ ...alert('warning', 'waitMs', 500), endpoint: blender.address })
    expect(slow.value).toBeGreaterThanOrEqual(500)
  })

  test('usePercent: nearly all connections are in use', async () => {
    const { connections, told, held } = await crowded({ alertUsePercent: 50, maxConnections: 4 })
    await quietTime(20)
    expect(told.of('alert')).toEqual([])
    const second = await connections.acquire()
    expect(await told.has('alert')).toEqual([alert('warning', 'usePercent', 50)])
    expect(told.of('alert')[0].value).toBe(50)
    await held.release()
    await second.release()
  })

  test('failedChecks: health checks running have failed at one endpoint', async () => {
    const { blender, connections, told, held } = await crowded({
      alertFailedChecks: 2,
      healthCheckTimeoutMs: 10,
      healthCheckFailures: 5,
    })
    await held.release()
    blender.ping = () => {}
    connections.checkHealth()
    expect(await told.has('alert')).toEqual([
      { ...alert('critical', 'failedChecks', 2), endpoint: blender.address },
    ])
    expect(told.of('healthCheckFailed').length).toBeGreaterThanOrEqual(2)
  })

  test('oldestWaitMs: a call is still waiting', async () => {
    const { connections, told, held } = await crowded({ alertOldestWaitMs: 20 })
    const waiting = connections.acquire()
    const [alarm] = await told.has('alert')
    expect(alarm).toEqual(alert('critical', 'oldestWaitMs', 20))
    expect(alarm.value).toBeGreaterThanOrEqual(20)
    // It waits still.
    expect(connections.stats()).toMatchObject({ waiting: 1 })
    await held.release()
    await (await waiting).release()
  })

  test('comes once for what lasts, and again when that was over in between', async () => {
    const { connections, told, held } = await crowded({ alertUsePercent: 100 })
    await told.has('alert')
    await quietTime(40)
    expect(told.of('alert')).toHaveLength(1)
    await held.release()
    // It has to be seen that it is over, and that it is so again.
    while (told.of('alert').length < 2) {
      await quietTime(20)
      await connections.use(() => quietTime(20))
    }
  })

  test('never comes with 0, whatever happens', async () => {
    const { blender, connections, told, held } = await crowded({ healthCheckTimeoutMs: 5 })
    const waiting = Array.from({ length: 30 }, () => connections.acquire())
    await quietTime(40)
    await held.release()
    for (const call of waiting) await (await call).release()
    blender.ping = () => {}
    await connections.checkHealth()
    expect(told.of('alert')).toEqual([])
  })
})

describe('leakThresholdMs', () => {
  test('a connection that is held for too long is told once, with where it was acquired, and again when it is back', async () => {
    const { blender, connections, told, held } = await crowded({
      leakThresholdMs: 300,
      maxConnections: 2,
    })
    const [leak] = await told.has('leakDetected')
    expect(leak).toMatchObject({
      connectionId: held.id,
      endpoint: blender.address,
      heldMs: expect.any(Number),
      stack: expect.stringContaining('alerts.test.js'),
    })
    expect(leak.heldMs).toBeGreaterThanOrEqual(300)
    await quietTime(60)
    expect(told.of('leakDetected')).toHaveLength(1)
    expect(connections.stats()).toMatchObject({ leaks: 1 })
    expect((await held.execute(ask('worker', { n: 1 }))).result).toEqual({ n: 1 })
    await held.release()
    const [back] = await told.has('leakReturned')
    expect(back).toMatchObject({ connectionId: held.id, stack: leak.stack })
    expect(back.heldMs).toBeGreaterThan(leak.heldMs)
    // What is given back in time is not told.
    await openIdle(connections, 2)
    await quietTime(350)
    expect(told.of('leakDetected')).toHaveLength(1)
    expect(told.of('leakReturned')).toHaveLength(1)
    expect(told.faults()).toEqual([])
  })

  test('0: nothing is told', async () => {
    const { told, held } = await crowded({ leakThresholdMs: 0 })
    await quietTime(50)
    await held.release()
    expect(told.names(({ event }) => event.startsWith('leak'))).toEqual([])
  })
})

describe('percentiles', () => {
  const expectOrdered = ({ count, p50, p95, p99, max }, expected) => {
    expect(count).toBe(expected)
    expect(p50).toBeGreaterThanOrEqual(0)
    expect(p95).toBeGreaterThanOrEqual(p50)
    expect(p99).toBeGreaterThanOrEqual(p95)
    expect(max).toBeGreaterThanOrEqual(p99)
  }

  test('tell what commands, connects, waits and holds took', async () => {
    const slow = (ms) => (request) => setTimeout(() => request.reply({}), ms)
    const blender = await stub({ ping: slow(50) })
    const connections = pool(blender, { ...SILENT, maxConnections: 1 })
    const figures = () => connections.stats()
    expectOrdered(figures().commandMs, 0)

    for (let n = 0; n < 100; n++) {
      // Six of a hundred take 60 ms: the 95th percentile is one of these, the median is not.
      if (n % 17 === 0) blender.answer = slow(60)
      else blender.answer = (request) => request.reply({})
      await connections.execute(ask('worker', { n }))
    }
    const { commandMs, connectMs, waitMs } = figures()
    expectOrdered(commandMs, 100)
    expect(commandMs.p95).toBeGreaterThan(50)
    expect(commandMs.p50).toBeLessThan(50)
    expectOrdered(connectMs, 1)
    expect(connectMs.p50).toBeGreaterThan(45)
    expectOrdered(waitMs, 100)
    // Only the first had to wait for a connect.
    expect(waitMs.max).toBeGreaterThan(45)
    expect(waitMs.p50).toBeLessThan(45)

    const before = figures().useMs.count
    const held = await connections.acquire()
    const waiting = outcome(connections.acquire())
    await quietTime(80)
    await held.release()
    await (await waiting).value.release()
    const { useMs, waitMs: waits } = figures()
    expectOrdered(useMs, before + 2)
    expect(useMs.max).toBeGreaterThan(75)
    expectOrdered(waits, 102)
    expect(waits.max).toBeGreaterThan(75)
  })
})
