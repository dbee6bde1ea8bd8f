'use strict'

// checkHealth(): fresh figures of every connection, whatever state they are in. It never rejects.

const { PoolError } = require('..')
const { closedPort, newPool, simulator } = require('./support/stage')

const open = (endpoints, options) => newPool({ endpoints, dialect: 'worker', ...options })

test('a healthy pool: idle connections are asked, and those in use are not', async () => {
  const { address } = await simulator({ dialect: 'worker', beatMs: 0 })
  const pool = open({ name: 'left', address })
  // Two callers may get the connections in either order.
  const both = await Promise.all([pool.acquire(), pool.acquire()])
  const [held, other] = both.sort((one, two) => one.id - two.id)
  await other.release()
  const report = await pool.checkHealth()
  expect(report).toMatchObject({ status: 'healthy', reasons: [], state: 'ready' })
  expect(Math.abs(Date.now() - report.checkedAt)).toBeLessThan(60_000)
  expect(report.connections).toEqual([
    { id: held.id, endpoint: 'left', ok: null, latencyMs: null },
    { id: other.id, endpoint: 'left', ok: true, latencyMs: expect.any(Number) },
  ])
  expect(report.endpoints).toMatchObject([{ name: 'left', status: 'healthy', checked: 1, busy: 1 }])
  expect(report.stats).toMatchObject({ inUse: 1, idle: 1 })
})

test('a sick Blender is a report with the errors of its connections, never a rejection', async () => {
  const blender = await simulator({ dialect: 'worker', beatMs: 0 })
  const pool = open(blender.address, { healthCheckTimeoutMs: 50 })
  await pool.execute('get_scene_info')
  blender.setFaults({ command: 'ping', silence: true })
  const { status, connections, endpoints } = await pool.checkHealth()
  expect(status).not.toBe('healthy')
  expect(connections).toMatchObject([{ ok: false, error: expect.any(PoolError) }])
  expect(endpoints[0].failed).toBe(1)
  expect(endpoints[0].reasons.join()).not.toBe('')
})

test('a Blender that is not there is a report as well', async () => {
  const pool = open(`127.0.0.1:${await closedPort()}`, { connectRetryMs: 0 })
  await pool.execute('ping').catch(() => {})
  const report = await pool.checkHealth()
  expect(report.status).toBe('unhealthy')
  expect(report.reasons.length).toBeGreaterThan(0)
})
