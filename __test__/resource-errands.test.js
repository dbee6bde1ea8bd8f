'use strict'

// The errands of a pool that closes: whatever native code had no time to ask for is done all the same, and once.
// Native code is stood in for, because the moments that matter cannot be had from outside.

const { Errands } = require('../lib/resources/errands')
const { Thrown } = require('../lib/thrown')
const { turn } = require('./support/arena')
const { deferred } = require('./support/workshop')

const [CREATE, , , DESTROY] = [0, 1, 2, 3]

/** Errands whose native side wants everything and hears everything. */
function setUp(state) {
  const heard = []
  const seen = { made: [], destroyed: [], signals: [], heard }
  const native = {
    state: () => state.now,
    made: (id, error) => heard.push(['made', id, error]) > 0,
    destroyed: (id, error) => heard.push(['destroyed', id, error]) > 0,
  }
  const told = []
  const herald = { tell: (...event) => told.push(event) }
  const error = ({ code }) => Object.assign(new Error(code), { code })
  const gates = []
  const create = (signal) => {
    seen.signals.push(signal)
    gates.push(deferred())
    return gates.at(-1).promise
  }
  const destroy = (resource) => seen.destroyed.push(resource)
  const bridge = { native, herald, error, thrown: new Thrown(), name: 'sessions' }
  return { errands: new Errands(bridge, { create, destroy }, 5_000), gates, told, ...seen }
}

test('what is being made when the pool has closed is aborted, and what it gives is destroyed though wanted', async () => {
  const state = { now: 'ready' }
  const { errands, gates, signals, destroyed, told, heard } = setUp(state)
  errands.run(CREATE, [1, 0])
  state.now = 'closed'
  errands.end()
  expect(signals[0].reason).toMatchObject({ code: 'ERR_POOL_CLOSED' })
  gates[0].resolve('late')
  await turn()
  expect(destroyed).toEqual(['late'])
  expect(heard).toEqual([['destroyed', 1, null]])
  expect(told).toEqual([])
})

test('what was made and not asked back by the time the pool has closed is destroyed once', async () => {
  const state = { now: 'ready' }
  const { errands, gates, destroyed, heard } = setUp(state)
  for (const id of [1, 2]) errands.run(CREATE, [id, 0])
  for (const gate of gates) gate.resolve({ of: gate })
  await turn()
  errands.run(DESTROY, [1, 0])
  state.now = 'closed'
  errands.end()
  expect(destroyed).toHaveLength(2)
  errands.run(DESTROY, [1, 0])
  errands.run(DESTROY, [2, 0])
  await turn()
  expect(destroyed).toEqual(gates.map((gate) => ({ of: gate })))
  expect(heard.filter(([what]) => what === 'destroyed').map(([, id]) => id)).toEqual([1, 2])
})
