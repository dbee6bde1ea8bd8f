'use strict'

// The channels of node:diagnostics_channel: what tracers are told of acquire, execute and connect.

const { tracingChannel } = require('node:diagnostics_channel')
const { PoolError } = require('..')
const { runScript } = require('./support/child')
const { eventually } = require('./support/arena')
const { afterwards, closedPort, newPool, simulator } = require('./support/stage')

let address

beforeEach(async () => {
  ;({ address } = await simulator({ dialect: 'worker', beatMs: 0 }))
})

const open = (options) =>
  newPool({ name: 'traced', endpoints: address, dialect: 'worker', maxConnections: 1, ...options })

/** What a channel tells from now on: its words, and the one context of each call. */
function trace(what) {
  const channel = tracingChannel(`blender-pool:${what}`)
  const told = []
  const contexts = new Set()
  const subscribers = {}
  for (const word of ['start', 'end', 'asyncStart', 'asyncEnd', 'error']) {
    subscribers[word] = (context) => {
      told.push(word)
      contexts.add(context)
    }
  }
  channel.subscribe(subscribers)
  afterwards(() => channel.unsubscribe(subscribers))
  return { told, contexts }
}

const SUCCESS = ['start', 'end', 'asyncStart', 'asyncEnd']
const FAILURE = ['start', 'end', 'error', 'asyncStart', 'asyncEnd']

test('a command is traced with its type, and with what came of it', async () => {
  const { told, contexts } = trace('execute')
  const pool = open()
  const reply = await pool.execute({ type: 'echo', params: { n: 1 } }, { endpoint: address })
  expect(told).toEqual(SUCCESS)
  expect([...contexts]).toEqual([
    { pool: 'traced', type: 'echo', endpoint: address, result: reply },
  ])
})

test('a command on a held connection is traced with its connection', async () => {
  const pool = open()
  const held = await pool.acquire()
  const { contexts } = trace('execute')
  await held.execute('ping')
  const context = { pool: 'traced', type: 'ping', endpoint: address, connectionId: 1 }
  expect([...contexts]).toMatchObject([context])
})

test('a command that fails is traced with the error that its caller gets', async () => {
  const { told, contexts } = trace('execute')
  const pool = open()
  const error = await pool.execute('fail', { rejectOnError: true }).catch((thrown) => thrown)
  await pool.execute().catch(() => {})
  expect(told).toEqual([...FAILURE, ...FAILURE])
  expect([...contexts][0]).toMatchObject({ type: 'fail', error })
  expect([...contexts][1].error.code).toBe('ERR_POOL_INVALID_COMMAND')
})

test('an acquire is traced with the connection it gave, that of a use as well', async () => {
  const { told, contexts } = trace('acquire')
  const pool = open()
  await (await pool.acquire()).release()
  await pool.use(() => {})
  const context = { pool: 'traced', endpoint: address, connectionId: 1 }
  expect([...contexts]).toMatchObject([context, context])
  expect(told).toEqual([...SUCCESS, ...SUCCESS])
  const controller = new AbortController()
  controller.abort('enough')
  await pool.acquire({ signal: controller.signal }).catch(() => {})
  expect([...contexts][2].error).toBe('enough')
})

test('a connect is traced from native events, without any listener', async () => {
  const { told, contexts } = trace('connect')
  const pool = open()
  await pool.execute('ping')
  await eventually(() => told.length === 4)
  expect(told).toEqual(SUCCESS)
  const durationMs = expect.any(Number)
  const context = {
    pool: 'traced',
    connectionId: 1,
    endpoint: address,
    dialect: 'worker',
    durationMs,
  }
  expect([...contexts]).toEqual([context])
})

test('a connect that fails is traced with its error', async () => {
  const { told, contexts } = trace('connect')
  const pool = open({ endpoints: `127.0.0.1:${await closedPort()}`, connectRetryMs: 0 })
  await pool.execute('ping').catch(() => {})
  await eventually(() => told.length >= 5)
  expect(told.slice(0, 5)).toEqual(FAILURE)
  expect([...contexts][0]).toMatchObject({ connectionId: 1, error: expect.any(PoolError) })
})

test('who subscribes late is told of what comes then', async () => {
  const pool = open()
  await pool.execute('ping')
  const { told } = trace('connect')
  await pool.use((held) => held.discard())
  await pool.execute('ping')
  await eventually(() => told.length === 4)
  expect(told).toEqual(SUCCESS)
})

test('deliveredOf knows a traced call as it knows another', async () => {
  trace('execute')
  const { deliveredOf } = require('..')
  const pool = open()
  const controller = new AbortController()
  const call = pool.execute({ type: 'sleep', params: { ms: 10_000 } }, controller)
  await eventually(() => pool.stats().inUse === 1)
  controller.abort('enough')
  await expect(call).rejects.toBe('enough')
  expect(deliveredOf(call)).toBe('maybe')
})

test('without subscribers nothing is published', async () => {
  const channel = tracingChannel('blender-pool:execute')
  const publish = jest.spyOn(channel.start, 'publish')
  const run = jest.spyOn(channel.start, 'runStores')
  await open().execute('ping')
  expect(publish).not.toHaveBeenCalled()
  expect(run).not.toHaveBeenCalled()
})

test('a subscriber that throws breaks nothing in the pool; Node itself reports it', async () => {
  const { reports, code, stderr } = await runScript(
    `
    process.removeAllListeners('uncaughtException')
    const thrown = new Set()
    process.on('uncaughtException', ({ message }) => thrown.add(message))
    const { tracingChannel } = require('node:diagnostics_channel')
    for (const what of ['acquire', 'execute', 'connect']) {
      const subscribers = {}
      for (const word of ['start', 'end', 'asyncStart', 'asyncEnd', 'error']) {
        subscribers[word] = () => { throw new Error(what + ' ' + word) }
      }
      tracingChannel('blender-pool:' + what).subscribe(subscribers)
    }
    const pool = new ConnectionPool({ endpoints: address, dialect: 'worker' })
    ;(async () => {
      const replies = await Promise.all([1, 2, 3].map(() => pool.execute('ping')))
      const used = await pool.use(({ id }) => id)
      const { inUse, waiting } = pool.stats()
      await pool.close()
      report({ success: replies.map(({ success }) => success), used, inUse, waiting, thrown: [...thrown] })
    })()`,
    { address },
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(reports[0]).toMatchObject({ success: [true, true, true], inUse: 0, waiting: 0 })
  expect(reports[0].thrown).toEqual(expect.arrayContaining(['acquire start', 'execute asyncEnd']))
})
