'use strict'

// Native code is asked for the events that somebody listens to, and for no other: each has its bit.

const { ObservedEmitter } = require('../lib/events')
const { eventBits } = require('../lib/tables')
const { eventually } = require('./support/arena')
const { newPool, simulator } = require('./support/stage')

const listener = () => {}
const bit = (...names) => names.reduce((mask, name) => mask | eventBits.get(name), 0)
let seen
let emitter

beforeEach(() => {
  seen = []
  emitter = new ObservedEmitter((mask) => seen.push(mask))
})

test('every event has a bit of its own', () => {
  const bits = [...eventBits.values()]
  expect(bits.length).toBeGreaterThan(15)
  expect(new Set(bits).size).toBe(bits.length)
  for (const value of bits) expect(value & (value - 1)).toBe(0)
})

test.each([
  'on',
  'addListener',
  'once',
  'prependListener',
  'prependOnceListener',
])('a listener added by %s sets the bit of its event, and the last one clears it', (way) => {
  expect(emitter[way]('poolClosed', listener)).toBe(emitter)
  emitter[way]('poolClosed', listener)
  emitter[way]('desync', listener)
  expect(seen).toEqual([bit('poolClosed'), bit('poolClosed', 'desync')])
  emitter.off('poolClosed', listener).removeListener('desync', listener)
  expect(seen.slice(2)).toEqual([bit('poolClosed')])
  emitter.off('poolClosed', listener)
  expect(seen.slice(3)).toEqual([0])
})

test('a listener for one time clears the bit as it is called', () => {
  emitter.once('alert', listener)
  emitter.emit('alert')
  expect(seen).toEqual([bit('alert'), 0])
})

test('removeAllListeners clears the bits, of one event or of all', () => {
  emitter.on('poolClosed', listener).on('desync', listener).on('alert', listener)
  emitter.removeAllListeners('poolClosed')
  expect(seen.at(-1)).toBe(bit('desync', 'alert'))
  emitter.removeAllListeners()
  expect(seen.at(-1)).toBe(0)
  emitter.on('poolClosed', listener)
  expect(seen.at(-1)).toBe(bit('poolClosed'))
})

test("listening to 'newListener' and names of one's own asks native code for nothing", () => {
  emitter.on('newListener', listener).on('removeListener', listener).on('mine', listener)
  expect(seen).toEqual([])
  emitter.removeAllListeners()
  expect(seen).toEqual([])
})

test('a listener added late hears what comes then, and one removed hears no more', async () => {
  const { address } = await simulator({ dialect: 'worker' })
  const pool = newPool({ endpoints: address, dialect: 'worker' })
  const told = []
  await pool.execute('ping')
  const listen = ({ connectionId }) => told.push(connectionId)
  pool.on('connectionCheckedOut', listen)
  await pool.use(listener)
  await eventually(() => told.length > 0)
  pool.off('connectionCheckedOut', listen)
  await pool.use(listener)
  const closed = new Promise((resolve) => pool.once('poolClosed', resolve))
  await pool.close()
  await closed
  expect(told).toEqual([1])
})
