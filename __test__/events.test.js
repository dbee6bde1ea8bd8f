'use strict'
// Events: in order, typed, and harmless. No listener can break the pool or another listener.

const { ConnectionPool, PoolError } = require('..')
const { startSimulator } = require('../simulator')

let simulator
let pool

beforeEach(async () => {
  simulator = await startSimulator({ beatMs: 0 })
  pool = new ConnectionPool({ endpoints: simulator.address, dialect: 'worker', maxConnections: 1 })
})

afterEach(async () => {
  await pool.close({ force: true })
  await simulator.close()
})

const ALL = [
  'poolCreated',
  'poolReady',
  'connectionCreated',
  'connectionReady',
  'connectionClosed',
  'desync',
  'commandAborted',
  'connectionCheckOutFailed',
  'poolClosed',
]

/** What is warned of while `run` runs, and one turn longer. */
async function warningsOf(run) {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  try {
    await run()
    await new Promise(setImmediate)
    return warn.mock.calls
  } finally {
    warn.mockRestore()
  }
}

test("a pool's life is told in order", async () => {
  const told = []
  for (const name of ALL) pool.on(name, (event) => told.push([name, event]))
  await pool.execute('ping')
  await pool.close()
  const at = { connectionId: 1, endpoint: simulator.address }
  expect(told).toEqual([
    [
      'poolCreated',
      { options: { endpoints: simulator.address, dialect: 'worker', maxConnections: 1 } },
    ],
    ['poolReady', {}],
    ['connectionCreated', at],
    ['connectionReady', { ...at, dialect: 'worker', durationMs: expect.any(Number) }],
    ['connectionClosed', { ...at, reason: 'poolClosed' }],
    ['poolClosed', {}],
  ])
})

test('poolCreated comes on the turn after the constructor, to listeners added until then', async () => {
  const order = []
  pool.on('poolCreated', () => order.push('poolCreated'))
  await null
  order.push('same turn')
  await new Promise(setImmediate)
  expect(order).toEqual(['same turn', 'poolCreated'])
})

test('an event carries its error as a PoolError', async () => {
  await pool.execute('ping')
  const told = new Promise((resolve) => pool.once('desync', resolve))
  simulator.say('{"nobody":"asked"}\n')
  const { error, connectionId } = await told
  expect(error).toBeInstanceOf(PoolError)
  expect(error.code).toBe('ERR_POOL_PROTOCOL')
  expect(connectionId).toBe(1)
})

test('a listener that throws surfaces once as a warning, and the others still hear', async () => {
  const heard = []
  const thrower = () => {
    throw new Error('of the listener')
  }
  pool.on('connectionCreated', thrower)
  pool.on('connectionReady', thrower)
  pool.on('connectionReady', () => heard.push('connectionReady'))
  const warnings = await warningsOf(async () => {
    await pool.execute('ping')
    await pool.use((connection) => connection.discard())
    await pool.execute('ping')
  })
  expect(heard).toEqual(['connectionReady', 'connectionReady'])
  const detail = expect.stringContaining('of the listener')
  expect(warnings).toEqual([
    [expect.stringContaining("'connectionCreated'"), { type: 'PoolListenerWarning', detail }],
  ])
})

test('a listener whose promise rejects surfaces once as a warning', async () => {
  pool.on('connectionReady', async () => {
    throw new Error('later')
  })
  const warnings = await warningsOf(async () => {
    await pool.execute('ping')
    await pool.use((connection) => connection.discard())
    await pool.execute('ping')
  })
  expect(warnings).toEqual([
    [expect.any(String), expect.objectContaining({ detail: expect.stringContaining('later') })],
  ])
})

test('a listener may close the pool', async () => {
  pool.once('connectionReady', () => pool.close())
  const closed = new Promise((resolve) => pool.once('poolClosed', resolve))
  await pool.execute('ping').catch(() => {})
  await closed
  expect(pool.state).toBe('closed')
})

test('a connection that breaks while nobody uses it is an event, never an error', async () => {
  const failures = jest.fn()
  pool.on('error', failures)
  await pool.execute('ping')
  const closed = new Promise((resolve) => pool.once('connectionClosed', resolve))
  simulator.hangUp({ reset: true })
  expect(await closed).toMatchObject({
    connectionId: 1,
    reason: 'error',
    error: expect.any(PoolError),
  })
  expect(failures).not.toHaveBeenCalled()
})
