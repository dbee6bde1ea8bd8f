'use strict'
// Abort, before, while waiting, while running and after: the caller is told at once, with its own reason.

const { getEventListeners } = require('node:events')
const { ConnectionPool, deliveredOf } = require('..')
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

/** How many abort listeners a signal has. */
const listeners = (signal) => getEventListeners(signal, 'abort').length

test('before the call: it rejects with the reason and sends nothing', async () => {
  const reason = { own: 'reason' }
  const signal = AbortSignal.abort(reason)
  const call = pool.execute('ping', { signal })
  await expect(call).rejects.toBe(reason)
  await expect(pool.acquire({ signal })).rejects.toBe(reason)
  expect(deliveredOf(call)).toBe('no')
  expect(simulator.stats().connects).toBe(0)
  expect(listeners(signal)).toBe(0)
})

test('while waiting: it leaves the queue, and those behind it move up', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const connection = await pool.acquire()
  const calls = [pool.execute('ping', { signal }), pool.acquire({ signal })]
  const behind = pool.execute('ping')
  expect(pool.stats().waiting).toBe(3)
  controller.abort()
  expect(pool.stats().waiting).toBe(1)
  for (const call of calls) await expect(call).rejects.toBe(signal.reason)
  expect(deliveredOf(calls[0])).toBe('no')
  await connection.release()
  await expect(behind).resolves.toMatchObject({ success: true })
  expect(listeners(signal)).toBe(0)
})

test('while running: it rejects at once, and the cut connection serves nobody else', async () => {
  simulator.setFaults({ command: 'echo', silence: true })
  const controller = new AbortController()
  const reason = new Error('the user pressed escape')
  const call = pool.execute('echo', { signal: controller.signal })
  await simulator.waitFor((stats) => stats.commands.some(({ command }) => command === 'echo'))
  controller.abort(reason)
  await expect(call).rejects.toBe(reason)
  expect(deliveredOf(call)).toBe('maybe')
  // Nothing was written on the reason, which is the caller's.
  expect(Object.keys(reason)).toEqual([])
  expect(pool.stats()).toMatchObject({ inUse: 0, unusable: 1 })
})

test('on a held connection: the command is cut, and the connection with it', async () => {
  simulator.setFaults({ command: 'echo', silence: true })
  const controller = new AbortController()
  const connection = await pool.acquire()
  const call = connection.execute('echo', { signal: controller.signal })
  await simulator.waitFor((stats) => stats.commands.some(({ command }) => command === 'echo'))
  controller.abort()
  await expect(call).rejects.toBe(controller.signal.reason)
  expect(deliveredOf(call)).toBe('maybe')
  await connection[Symbol.asyncDispose]()
})

test('while the reply is on its way up: the truth follows it', async () => {
  const controller = new AbortController()
  const told = new Promise((resolve) => pool.once('commandAborted', resolve))
  const call = pool.execute('echo', { signal: controller.signal })
  let atOnce
  simulator.on(({ event, command }) => {
    if (event !== 'answered' || command.command !== 'echo') return
    process.nextTick(() => {
      // Native code takes the reply while this thread is not free to hear of it.
      while (pool.stats().inUse > 0);
      controller.abort('too late')
      atOnce = deliveredOf(call)
    })
  })
  await expect(call).rejects.toBe('too late')
  expect(atOnce).toBe('maybe')
  await expect(told).resolves.toEqual({ type: 'echo', delivered: 'yes', reason: 'too late' })
  expect(deliveredOf(call)).toBe('yes')
})

test('while a lease is on its way up: it is passed on', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const connection = await pool.acquire()
  const waiting = pool.acquire({ signal })
  const behind = pool.acquire()
  const released = connection.release()
  // The slot is the first waiter's already, though its promise has not heard of it.
  controller.abort()
  await expect(waiting).rejects.toBe(signal.reason)
  await released
  await (await behind).release()
  expect(pool.stats()).toMatchObject({ inUse: 0, idle: 1, waiting: 0 })
})

test('after the call: nothing happens', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const call = pool.execute('ping', { signal })
  const reply = await call
  controller.abort()
  await expect(call).resolves.toBe(reply)
  expect(deliveredOf(call)).toBeUndefined()
  await expect(pool.execute('ping')).resolves.toMatchObject({ success: true })
})

test('ten thousand calls share one signal, and leave nothing on it', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const params = { signal }
  const calls = Array.from({ length: 10_000 }, () => pool.execute('ping', params))
  expect(listeners(signal)).toBe(1)
  await Promise.all(calls)
  expect(listeners(signal)).toBe(0)

  const connection = await pool.acquire()
  const waiting = Array.from({ length: 10_000 }, () => pool.execute('ping', params))
  controller.abort('enough')
  const outcomes = await Promise.allSettled(waiting)
  expect(outcomes.every(({ reason }) => reason === 'enough')).toBe(true)
  expect(listeners(signal)).toBe(0)
  expect(pool.stats()).toMatchObject({ waiting: 0, aborted: 10_000 })
  await connection.release()
})

test('deliveredOf knows nothing of other promises', async () => {
  const call = pool.execute('ping')
  expect(deliveredOf(call)).toBeUndefined()
  await call
  expect(deliveredOf(Promise.resolve())).toBeUndefined()
})

test('events tell of an aborted command and an aborted acquire', async () => {
  const told = []
  pool.on('commandAborted', (event) => told.push(['commandAborted', event]))
  pool.on('connectionCheckOutFailed', (event) => told.push(['connectionCheckOutFailed', event]))
  const controller = new AbortController()
  const { signal } = controller
  const connection = await pool.acquire()
  const calls = [pool.execute('echo', { signal }), pool.acquire({ signal })]
  controller.abort('enough')
  await Promise.allSettled(calls)
  await connection.release()
  await pool.close()
  const failed = { reason: 'aborted', durationMs: expect.any(Number), error: 'enough' }
  expect(told).toEqual([
    ['commandAborted', { type: 'echo', delivered: 'no', reason: 'enough' }],
    ['connectionCheckOutFailed', failed],
    ['connectionCheckOutFailed', failed],
  ])
})
