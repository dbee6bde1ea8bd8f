'use strict'

// The deadlock that callers make among themselves: each holds a connection and waits for one more. It is
// told at once, with an error of its own; and nothing else is taken for it.

const { nextEvent } = require('./support/fault')
const { eventually, outcome, turn } = require('./support/arena')
const { newPool, simulator } = require('./support/stage')

let address

beforeEach(async () => {
  ;({ address } = await simulator({ dialect: 'worker', beatMs: 0 }))
})

/** A test that waited for a timeout would fail by jest's own limit. */
function open(maxConnections, options) {
  return newPool({
    endpoints: address,
    dialect: 'worker',
    maxConnections,
    acquireTimeoutMs: 120_000,
    ...options,
  })
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 2))
const rethrow = (error) => {
  throw error
}
const DEADLOCK = { code: 'ERR_POOL_DEADLOCK', delivered: 'no', retryable: false }
const codes = (results) => results.map(({ reason }) => reason?.code ?? 'served')

describe('refused at once is', () => {
  test.each([
    ['an acquire of who holds the only connection', (pool) => pool.acquire()],
    ['a command of who holds the only connection', (pool) => pool.execute('ping')],
    ['a use of who holds the only connection', (pool) => pool.use(() => {})],
  ])('%s', async (_what, nested) => {
    const pool = open(1)
    const held = await pool.acquire()
    await expect(nested(pool)).rejects.toMatchObject(DEADLOCK)
    expect(held.inUse).toBe(true)
    await held.release()
    await nested(pool)
    expect(pool.stats()).toMatchObject({ waiting: 0, raceDetected: 0 })
  })

  test('the same, with a connection that was idle', async () => {
    const pool = open(1)
    await pool.execute('ping')
    await pool.acquire()
    await expect((async () => await pool.acquire())()).rejects.toMatchObject(DEADLOCK)
  })

  test('the acquire of who holds them all, one after the other', async () => {
    const pool = open(3)
    for (let n = 0; n < 3; n++) await pool.acquire()
    const error = await (async () => await pool.acquire())().catch((thrown) => thrown)
    expect(error).toMatchObject(DEADLOCK)
    expect(error.message).toContain('All 3 connections')
    expect(error.advice).toContain('maxConnections')
    expect(error.stack).toContain(__filename)
  })

  test('what comes after a command on the held connection', async () => {
    const pool = open(1)
    const held = await pool.acquire()
    await held.execute('ping')
    await expect((async () => await pool.execute('ping'))()).rejects.toMatchObject(DEADLOCK)
  })

  test('what the work of a use does later, deep down', async () => {
    const pool = open(1)
    const deep = async () => {
      await pause()
      return await pool.execute('ping')
    }
    const work = async () => {
      await pause()
      const [reply] = await Promise.all([deep()])
      return reply
    }
    await expect(pool.use(work)).rejects.toMatchObject(DEADLOCK)
    expect(pool.stats()).toMatchObject({ inUse: 0, waiting: 0 })
  })

  test.each([
    ['through then()', (pool) => pool.execute('ping').then(({ result }) => result)],
    ['through catch() and finally()', (pool) => pool.execute('ping').catch(rethrow).finally(pause)],
    ['returned by an async function', async (pool) => pool.execute('ping')],
    ['returned by one, through then()', async (pool) => pool.execute('ping').then(() => 1)],
    ['among others', (pool) => Promise.all([1, pool.execute('ping')])],
  ])('a call that is awaited %s', async (_how, nested) => {
    const pool = open(1)
    const work = async () => {
      await pause()
      return await nested(pool)
    }
    await expect(pool.use(work)).rejects.toMatchObject(DEADLOCK)
  })

  test('only the call that closes the circle, and the others are served', async () => {
    const pool = open(5)
    const greedy = async () => {
      const first = await pool.acquire()
      try {
        const second = await pool.acquire()
        await second.release()
      } finally {
        await first.release()
      }
    }
    const results = await Promise.allSettled(Array.from({ length: 5 }, greedy))
    expect(codes(results).sort()).toEqual(['ERR_POOL_DEADLOCK', ...Array(4).fill('served')])
  })

  test('with an alert', async () => {
    const pool = open(2)
    const alerted = nextEvent(pool, 'alert', ({ metric }) => metric === 'nestedAcquire')
    const failed = nextEvent(pool, 'connectionCheckOutFailed')
    const nest = () => pool.use(() => pool.use(() => pool.use(() => {})))
    await expect(nest()).rejects.toMatchObject(DEADLOCK)
    expect(await alerted).toEqual({
      severity: 'critical',
      metric: 'nestedAcquire',
      value: 2,
      threshold: 2,
      message: expect.stringContaining('each holder waits'),
    })
    expect(await failed).toMatchObject({ reason: 'aborted', error: { code: 'ERR_POOL_DEADLOCK' } })
  })
})

test('a timeout in a circle that was not certain before says so', async () => {
  const pool = open(1, { acquireTimeoutMs: 50 })
  const call = pool.use((held) => Promise.all([held.execute('ping'), pool.execute('ping')]))
  await expect(call).rejects.toMatchObject(DEADLOCK)
})

describe('served, in their turn, are', () => {
  test('siblings that were started in one tick', async () => {
    const pool = open(2)
    const work = async () => {
      const held = await pool.acquire()
      await pause()
      await held.execute('ping')
      await held.release()
    }
    const siblings = Array.from({ length: 20 }, work)
    expect(codes(await Promise.allSettled(siblings))).toEqual(siblings.map(() => 'served'))
  })

  test('handlers that a loop starts while earlier ones hold', async () => {
    const pool = open(1)
    const handled = []
    const handle = async () => {
      const held = await pool.acquire()
      await pause()
      await held.release()
    }
    for await (const _message of [1, 2, 3, 4, 5]) handled.push(handle())
    expect(codes(await Promise.allSettled(handled))).toEqual(handled.map(() => 'served'))
  })

  test('calls of a timer that the work of a use has set', async () => {
    const pool = open(1)
    const calls = []
    let timer
    const tick = async () => await pool.execute('ping')
    await pool.use(async () => {
      timer = setInterval(() => calls.push(outcome(tick())), 1)
      await eventually(() => calls.length > 2)
    })
    clearInterval(timer)
    const late = await Promise.all(calls)
    expect(late.map(({ error }) => error)).toEqual(calls.map(() => undefined))
  })

  test('calls of a timer that outlives the use it was set in', async () => {
    const pool = open(1)
    const ticked = await pool.use(() => {
      // In an object: the promise alone would be awaited here.
      return { later: pause().then(async () => await pool.use(() => 'served')) }
    })
    expect(await ticked.later).toBe('served')
  })

  test('a call that is not awaited before the connection is given back', async () => {
    const pool = open(1)
    const held = await pool.acquire()
    const next = pool.acquire()
    for (let turns = 0; turns < 5; turns++) await turn()
    await held.release()
    await (await next).release()
  })

  test('a call that the work of a use leaves to itself', async () => {
    const pool = open(1)
    let later
    await pool.use(async () => {
      later = outcome(pool.execute('ping'))
      for (let turns = 0; turns < 5; turns++) await turn()
    })
    expect(await later).toMatchObject({ value: { success: true } })
  })

  test('a use that its starter, a holder, does not wait for', async () => {
    const pool = open(2)
    const held = await pool.acquire()
    const started = pool.use(async () => await pool.execute('ping'))
    await eventually(() => pool.stats().waiting === 1 && pool.stats().inUse === 2)
    for (let turns = 0; turns < 5; turns++) await turn()
    await held.release()
    expect(await started).toMatchObject({ success: true })
  })

  test('a call that only races with the work', async () => {
    const pool = open(1)
    const first = await pool.use(async () => await Promise.race([pool.execute('ping'), pause()]))
    expect(first).toBeUndefined()
  })

  test('nested uses of another pool', async () => {
    const [left, right] = [open(1), open(1)]
    const nested = left.use(async () => await right.use(async () => right.name))
    expect(await nested).toBe(right.name)
  })
})

test('detectNestedAcquire: false leaves such calls to their deadline', async () => {
  const pool = open(1, { detectNestedAcquire: false, acquireTimeoutMs: 20 })
  await pool.acquire()
  await expect((async () => await pool.acquire())()).rejects.toMatchObject({
    code: 'ERR_POOL_ACQUIRE_TIMEOUT',
  })
  const nested = async () => await pool.execute('ping')
  await expect(nested()).rejects.toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT' })
})
