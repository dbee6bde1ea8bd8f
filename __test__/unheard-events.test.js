'use strict'

// What nobody listens to is not even posted: the native half, without the facade, tells exactly the
// events whose bit is set.

const { Entry, NativeOutbox, NativePool, tables } = require('../lib/binding')
const { readOptions } = require('../lib/options')
const { arena, eventually } = require('./support/arena')

const { stub } = arena()
const { events } = JSON.parse(tables())

/** A pool lives, works, is cleared and closes, and `mask` says what of it is to be told. */
async function toldWith(mask) {
  const blender = await stub()
  const drained = []
  const numbers = new Float64Array(3 * 1_000)
  const payloads = []
  const drain = () => {
    const count = outbox.drain(numbers, payloads)
    for (let at = 0; at < count; at++) {
      drained.push([numbers[3 * at], numbers[3 * at + 1], payloads[at]])
    }
  }
  const outbox = new NativeOutbox(drain, false)
  const { values } = readOptions('ConnectionPool', {
    endpoints: blender.address,
    dialect: 'worker',
    minConnections: 2,
    maxConnections: 2,
  })
  const native = new NativePool(
    outbox,
    1,
    'ConnectionPool',
    JSON.stringify({ ...values, name: 'unheard' }),
  )
  const settled = (ticket) =>
    eventually(() => entries().some(([kind, number]) => kind < Entry.EVENT && number === ticket))
  const entries = () => {
    drain()
    return drained
  }
  native.observe(mask)
  native.begin()
  await eventually(() => JSON.parse(native.stats()).idle === 2)
  native.execute(1, 'ask', '{}', -1, -1, false, 0, null)
  await settled(1)
  const lease = native.tryAcquire(-1, null)
  native.release(lease[0], lease[1])
  native.clear(-1, false)
  native.ready()
  native.close(2, 1_000, false)
  await eventually(() => native.state() === 'closed')
  return entries()
    .filter(([kind]) => kind === Entry.EVENT)
    .map(([, , json]) => JSON.parse(json).event)
}

test('nothing at all while there is no listener', async () => {
  expect(await toldWith(0)).toEqual([])
})

test('everything while there is one for everything', async () => {
  const told = new Set(await toldWith(2 ** events.length - 1))
  for (const name of [
    'poolCleared',
    'poolReady',
    'poolClosed',
    'connectionCreated',
    'connectionReady',
    'connectionClosed',
    'connectionCheckOutStarted',
    'connectionCheckedOut',
    'connectionCheckedIn',
  ]) {
    expect(told).toContain(name)
  }
})

test.each([
  'connectionClosed',
  'connectionCheckedIn',
  'poolClosed',
])('%s alone, when that is all that is listened to', async (name) => {
  const told = await toldWith(2 ** events.indexOf(name))
  expect(told.length).toBeGreaterThan(0)
  expect(new Set(told)).toEqual(new Set([name]))
})
