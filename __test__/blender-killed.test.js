'use strict'

// A Blender is killed in the middle of a round of health checks, under load, while another one works on:
// what fails is told, nothing is left unhandled, and everything mends itself when it is there again.

const { arena, eventually, outcome, turn } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { runScript } = require('./support/child')

const { pool, simulator } = arena()

/** Nobody waits long for what is down, and it is looked at often. */
const BRISK = {
  dialect: 'worker',
  maxConnections: 8,
  connectRetryMs: 50,
  retryBackoffMs: 5,
  maxRetryBackoffMs: 20,
  maintenanceIntervalMs: 10,
}

async function twoBlenders() {
  const [doomed, other] = await Promise.all([
    simulator({ dialect: 'worker', beatMs: 1 }),
    simulator({ dialect: 'worker', beatMs: 1 }),
  ])
  const endpoints = [
    { name: 'doomed', address: doomed.address, minConnections: 3 },
    { name: 'other', address: other.address, minConnections: 3 },
  ]
  return { doomed, other, endpoints }
}

/** Resolves when so many pings have come to it and are not answered. */
async function inTheMiddle(doomed, count) {
  await doomed.waitFor(
    ({ commands }) =>
      commands.filter(({ command, state }) => command === 'ping' && state === 'received').length >=
      count,
  )
}

test('told by events and by the report; the other one is not touched, and the end mends itself', async () => {
  const { doomed, other, endpoints } = await twoBlenders()
  const connections = pool(null, { ...BRISK, endpoints })
  const told = new Chronicle(connections)
  await connections.warm()
  let isOver = false
  const errors = { doomed: [], other: [] }
  const load = ['doomed', 'other'].flatMap((endpoint) =>
    [1, 2].map(async () => {
      while (!isOver) {
        const { error } = await outcome(connections.execute('echo', { endpoint }))
        if (error) errors[endpoint].push(error)
        // What is refused at once leaves nobody else a turn.
        await turn()
      }
    }),
  )
  // One that stays idle to be asked, whatever the load does.
  doomed.setFaults({ command: 'ping', delayMs: 60_000 })
  const reporting = connections.checkHealth()
  await inTheMiddle(doomed, 1)

  await doomed.kill()

  const report = await reporting
  expect(report.status).toBe('degraded')
  expect(report.endpoints).toMatchObject([
    { name: 'doomed', failed: expect.any(Number) },
    { name: 'other', status: 'healthy', failed: 0 },
  ])
  expect(report.endpoints[0].failed).toBeGreaterThanOrEqual(1)
  const [down] = await told.has('endpointDown')
  expect(down).toMatchObject({ endpoint: 'doomed', error: { name: 'PoolError' } })
  await told.has('healthCheckFailed')

  const before = other.stats().answered
  await other.waitFor(({ answered }) => answered > before + 20)
  doomed.setFaults(null)
  await doomed.restart()

  const [up] = await told.has('endpointUp')
  expect(up).toMatchObject({ endpoint: 'doomed', downMs: expect.any(Number) })
  await eventually(() => connections.endpoints()[0].total >= 3)
  const failed = errors.doomed.length
  const again = doomed.stats().answered
  await doomed.waitFor(({ answered }) => answered > again + 20)
  expect(errors.doomed).toHaveLength(failed)
  isOver = true
  await Promise.all(load)
  expect(errors.other).toEqual([])
  for (const error of errors.doomed) {
    expect(error).toMatchObject({
      code: expect.stringMatching(/^ERR_POOL_(CONNECT|CONNECTION_LOST|ENDPOINT_DOWN)$/),
      endpoint: 'doomed',
    })
  }
  expect(told.of('endpointDown')).toHaveLength(1)
  expect(told.of('endpointUp')).toHaveLength(1)
  expect(told.of('connectionClosed').filter(({ endpoint }) => endpoint === 'other')).toEqual([])
  await connections.close()
  await told.has('poolClosed')
  expect(told.faults()).toEqual([])
})

test('with no listener at all: a process of its own handles every call, and ends with 0', async () => {
  const { doomed, other, endpoints } = await twoBlenders()
  const running = runScript(
    `
    const pool = new ConnectionPool(${JSON.stringify({ ...BRISK, endpoints, healthCheckIntervalMs: 5 })})
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
    const stateOf = (name) => pool.endpoints().find((endpoint) => endpoint.name === name).state
    ;(async () => {
      await pool.warm()
      let isOver = false
      let othersFailed = 0
      let calls = 0
      const load = ['doomed', 'other'].map(async (endpoint) => {
        while (!isOver) {
          calls++
          await pool.execute('echo', { endpoint }).catch(() => {
            if (endpoint === 'other') othersFailed++
          })
          await sleep(1)
        }
      })
      await pool.execute('noop', { endpoint: 'other' })
      let status
      while (stateOf('doomed') !== 'down') status = (await pool.checkHealth()).status
      await pool.execute('print', { endpoint: 'other' })
      while (stateOf('doomed') !== 'up') await sleep(1)
      const { success } = await pool.execute('echo', { endpoint: 'doomed' })
      isOver = true
      await Promise.all(load)
      await pool.close()
      report({ success, othersFailed, worked: calls > 2, status })
    })()
    `,
  )
  await other.waitFor(({ commands }) => commands.some(({ command }) => command === 'noop'))
  doomed.setFaults({ command: 'ping', delayMs: 60_000 })
  await inTheMiddle(doomed, 1)
  await doomed.kill()
  await other.waitFor(({ commands }) => commands.some(({ command }) => command === 'print'))
  doomed.setFaults(null)
  await doomed.restart()
  const ended = await running
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(ended.reports).toMatchObject([{ success: true, othersFailed: 0, worked: true }])
})
