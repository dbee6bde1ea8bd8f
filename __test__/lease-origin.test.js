'use strict'

// With leakThresholdMs, the events that tell of a leak name the lines that acquired the connection.

const { nextEvent } = require('./support/fault')
const { newPool, simulator } = require('./support/stage')

let address

beforeEach(async () => {
  ;({ address } = await simulator({ dialect: 'worker', beatMs: 0 }))
})

const open = (options) =>
  newPool({ endpoints: address, dialect: 'worker', leakThresholdMs: 10, ...options })

test.each([
  ['a new connection', false],
  ['an idle one', true],
])('a leak is told with the stack of its acquire, and again as it comes back: %s', async (_what, warm) => {
  const pool = open()
  if (warm) await pool.execute('ping')
  async function leaky() {
    return await pool.acquire()
  }
  const detected = nextEvent(pool, 'leakDetected')
  const returned = nextEvent(pool, 'leakReturned')
  const held = await leaky()
  const leak = await detected
  expect(leak).toEqual({
    connectionId: 1,
    endpoint: address,
    heldMs: expect.any(Number),
    stack: expect.stringContaining(__filename),
  })
  expect(leak.stack).toMatch(/^ {4}at /)
  expect(leak.stack.split('\n')[0]).toContain(__filename)
  expect(leak.stack).toContain('leaky')
  await held.release()
  // The next holder of the slot does not disturb it.
  await pool.acquire()
  expect(await returned).toMatchObject({ connectionId: 1, stack: leak.stack })
})

test('a use is told with the line that called it', async () => {
  const pool = open()
  const detected = nextEvent(pool, 'leakDetected')
  function user() {
    return pool.use(() => detected)
  }
  expect((await user()).stack).toContain('user')
})

test('a pool that does not look for leaks keeps no stacks', async () => {
  const pool = open({ leakThresholdMs: 0 })
  const capture = jest.spyOn(Error, 'captureStackTrace')
  try {
    await (await pool.acquire()).release()
    await (await pool.acquire()).release()
    expect(capture).not.toHaveBeenCalled()
  } finally {
    capture.mockRestore()
  }
})
