'use strict'

// The deadlock that callers make among themselves: the work of each use holds a connection and waits for
// one more. It is told of at once; who runs out of time in it is told that it is one; and nothing else is
// taken for it.

const v8 = require('node:v8')
const vm = require('node:vm')
const { leaseOf } = require('../lib/held')
const { closedPort, newPool, simulator } = require('./support/stage')
const { eventually, outcome, turn } = require('./support/arena')

let address

beforeEach(async () => {
  ;({ address } = await simulator({ dialect: 'worker', beatMs: 0 }))
})

/** A call that nothing ends but its deadline would fail by jest's own limit. */
function open(maxConnections, options) {
  const pool = newPool({
    endpoints: address,
    dialect: 'worker',
    maxConnections,
    acquireTimeoutMs: 120_000,
    ...options,
  })
  const alerts = []
  pool.on('alert', (alert) => {
    if (alert.metric === 'nestedAcquire') alerts.push(alert)
  })
  return { pool, alerts }
}

const pause = (ms = 2) => new Promise((resolve) => setTimeout(resolve, ms))
const sleep = (ms) => ({ type: 'sleep', params: { ms } })

/** Turns enough for an alert that is due. */
async function turns() {
  for (let n = 0; n < 10; n++) await turn()
}

/** For as long as that, this process does nothing else. */
function block(ms) {
  const end = performance.now() + ms
  while (performance.now() < end);
}

const CALLS = [
  ['use', (pool, options) => pool.use(() => {}, options)],
  ['acquire', async (pool, options) => await (await pool.acquire(options)).release()],
  ['execute', (pool, options) => pool.execute('ping', options)],
]
const LATE = { code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no', retryable: true }
const DEADLOCK = { code: 'ERR_POOL_DEADLOCK', delivered: 'no', retryable: false }

describe('an alert, and no refusal, for', () => {
  test.each(
    CALLS,
  )('%s in the work of a use that has the only connection', async (_what, nested) => {
    const { pool, alerts } = open(1)
    const controller = new AbortController()
    const call = outcome(pool.use(() => nested(pool, { signal: controller.signal })))
    await eventually(() => alerts.length > 0)
    expect(alerts).toEqual([
      {
        severity: 'critical',
        metric: 'nestedAcquire',
        value: 1,
        threshold: 1,
        message: expect.stringMatching(/only connection is held.+waits for one more.+Use the con/),
      },
    ])
    expect(pool.stats()).toMatchObject({ inUse: 1, waiting: 1 })
    controller.abort('enough')
    expect(await call).toEqual({ error: 'enough' })
    await nested(pool)
    expect(pool.stats()).toMatchObject({ inUse: 0, waiting: 0, raceDetected: 0 })
  })

  test('two uses of two connections that each want one more', async () => {
    const { pool, alerts } = open(2)
    const controller = new AbortController()
    const nested = async (_held, options) => {
      await eventually(() => pool.stats().inUse === 2)
      return await pool.use(() => 'served', options)
    }
    const first = outcome(pool.use((held) => nested(held, { signal: controller.signal })))
    const second = outcome(pool.use(nested))
    await eventually(() => alerts.length > 0)
    expect(alerts).toMatchObject([{ value: 2, threshold: 2 }])
    expect(alerts[0].message).toContain('all 2 connections')
    controller.abort('enough')
    expect(await first).toEqual({ error: 'enough' })
    expect(await second).toEqual({ value: 'served' })
    await turns()
    expect(alerts).toHaveLength(1)
  })

  test('a use in a use in a use of two connections', async () => {
    const { pool, alerts } = open(2, { acquireTimeoutMs: 60 })
    const call = outcome(pool.use(() => pool.use(() => pool.use(() => {}))))
    expect((await call).error).toMatchObject(DEADLOCK)
    expect(alerts).toMatchObject([{ value: 2, threshold: 2 }])
  })

  test('a call deep down and later', async () => {
    const { pool, alerts } = open(1, { acquireTimeoutMs: 60 })
    const deep = async () => {
      await pause()
      return await pool.execute('ping').then(({ result }) => result)
    }
    await outcome(pool.use(async () => await Promise.all([pause(), deep()])))
    expect(alerts).toHaveLength(1)
  })

  test('a call in the work of a use of another pool', async () => {
    const { pool, alerts } = open(1, { acquireTimeoutMs: 60 })
    const other = open(1)
    const call = outcome(pool.use(() => other.pool.use(() => pool.execute('ping'))))
    expect((await call).error).toMatchObject(DEADLOCK)
    expect([alerts.length, other.alerts.length]).toEqual([1, 0])
  })

  test('a call beside a command of the holder, when that has ended', async () => {
    const { pool, alerts } = open(1)
    const controller = new AbortController()
    const { signal } = controller
    let ended = false
    const own = async (held) => {
      await held.execute(sleep(30))
      ended = true
    }
    const call = outcome(
      pool.use((held) => Promise.all([own(held), pool.execute('ping', { signal })])),
    )
    await eventually(() => ended || alerts.length > 0)
    expect(ended).toBe(true)
    await eventually(() => alerts.length > 0)
    controller.abort('enough')
    await call
  })

  test('a circle once, however many calls wait in it, and the next circle again', async () => {
    const { pool, alerts } = open(1)
    const three = () =>
      Promise.all([20, 40, 60].map((timeoutMs) => outcome(pool.execute('ping', { timeoutMs }))))
    const calls = await pool.use(three)
    expect(calls.map(({ error }) => error?.code)).toEqual(Array(3).fill(DEADLOCK.code))
    await turns()
    expect(alerts).toHaveLength(1)
    await pool.use(three)
    await turns()
    expect(alerts).toHaveLength(2)
  })
})

describe('ERR_POOL_DEADLOCK at the deadline for', () => {
  test.each(CALLS)('%s in a circle', async (_what, nested) => {
    const { pool } = open(1, { acquireTimeoutMs: 50 })
    const { error } = await outcome(pool.use(() => nested(pool)))
    expect(error).toMatchObject(DEADLOCK)
    expect(error.message).toMatch(
      /^no connection became free within 50 ms \(acquireTimeoutMs\).+; the only connection is held/,
    )
    expect(error.advice).toContain('maxConnections')
    expect(error.stack).toContain(__filename)
    await nested(pool)
    expect(pool.stats()).toMatchObject({ waiting: 0, timeouts: 1, raceDetected: 0 })
  })

  test('the first of them, and the others are served', async () => {
    const { pool } = open(5)
    const nested = async (n) => {
      await eventually(() => pool.stats().inUse === 5)
      return await pool.use(() => 'served', n === 0 ? { timeoutMs: 50 } : {})
    }
    const calls = await Promise.all([0, 1, 2, 3, 4].map((n) => outcome(pool.use(() => nested(n)))))
    const [first, ...others] = calls
    expect(first.error).toMatchObject(DEADLOCK)
    expect(first.error.message).toContain('all 5 connections are held')
    expect(others).toEqual(Array(4).fill({ value: 'served' }))
  })

  test('all whose deadlines end together', async () => {
    const { pool, alerts } = open(2)
    const nested = async () => {
      await eventually(() => pool.stats().inUse === 2)
      return await pool.execute('ping', { timeoutMs: 50 })
    }
    const calls = [outcome(pool.use(nested)), outcome(pool.use(nested))]
    await eventually(() => alerts.length > 0)
    block(100)
    for (const { error } of await Promise.all(calls)) expect(error).toMatchObject(DEADLOCK)
  })

  test('one that the loop was too busy to tell of before, with its alert', async () => {
    const { pool, alerts } = open(1)
    const late = async () => {
      const call = outcome(pool.execute('ping', { timeoutMs: 5 }))
      await Promise.resolve()
      block(30)
      return await call
    }
    expect((await pool.use(late)).error).toMatchObject(DEADLOCK)
    await turns()
    expect(alerts).toHaveLength(1)
  })

  test('one that has a cause, which it keeps', async () => {
    const dead = `127.0.0.1:${await closedPort()}`
    const { pool } = open(1, { endpoints: [dead, address], acquireTimeoutMs: 300 })
    await outcome(pool.execute('ping', { endpoint: dead, timeoutMs: 100 }))
    const { error } = await outcome(pool.use(() => pool.execute('ping'), { endpoint: address }))
    expect(error).toMatchObject({ ...DEADLOCK, endpoint: dead, cause: { code: 'ECONNREFUSED' } })
    expect(error.advice).toContain('Use the connection you hold')
  })
})

describe('neither alert nor deadlock for', () => {
  let pools

  beforeEach(() => {
    pools = []
  })

  afterEach(async () => {
    await turns()
    for (const { alerts } of pools) expect(alerts).toEqual([])
  })

  function quiet(maxConnections, options) {
    const opened = open(maxConnections, options)
    pools.push(opened)
    return opened.pool
  }

  test('siblings that were started in one tick', async () => {
    const pool = quiet(2)
    const work = async (held) => {
      await pause()
      await held.execute('ping')
      return 'served'
    }
    const siblings = Array.from({ length: 20 }, () => pool.use(work))
    expect(await Promise.all(siblings)).toEqual(siblings.map(() => 'served'))
  })

  test('uses of other pools in each other', async () => {
    const [left, right] = [quiet(1), quiet(1)]
    expect(await left.use(() => right.use(() => right.name))).toBe(right.name)
    // The only one of the right pool is held by somebody who waits for nothing.
    const held = await right.acquire()
    const waits = left.use(() => right.execute('ping'))
    await turns()
    await held.release()
    expect(await waits).toMatchObject({ success: true })
  })

  test('nested calls that fit', async () => {
    const pool = quiet(3)
    const nest = () => pool.use(() => pool.use(() => pool.execute('ping')))
    for (let n = 0; n < 3; n++) expect(await nest()).toMatchObject({ success: true })
  })

  test('what a holder starts beside a command of its own', async () => {
    const pool = quiet(1)
    let started
    await pool.use(async (held) => {
      started = pool.execute('ping')
      await held.execute(sleep(30))
    })
    expect(await started).toMatchObject({ success: true })
  })

  test('a holder whose command runs at the deadline of the other call', async () => {
    const pool = quiet(1)
    const late = await pool.use(async (held) => {
      const own = held.execute(sleep(100))
      const call = outcome(pool.execute('ping', { timeoutMs: 30 }))
      await own
      return await call
    })
    expect(late.error).toMatchObject(LATE)
  })

  test('the work of a use that has given its connection back', async () => {
    const pool = quiet(1)
    let next
    const call = pool.use(async (held) => {
      next = pool.acquire()
      await held.release()
      return await pool.execute('ping')
    })
    await eventually(() => next !== undefined)
    const stranger = await next
    await turns()
    expect(pool.stats()).toMatchObject({ inUse: 1, waiting: 1 })
    await stranger.release()
    expect(await call).toMatchObject({ success: true })
  })

  test('a timer that outlives the use it was set in', async () => {
    const pool = quiet(1)
    const timer = await pool.use(() => {
      // In an object: the promise alone would be awaited here.
      return { call: pause(10).then(() => pool.use(() => 'served')) }
    })
    const stranger = await pool.acquire()
    await eventually(() => pool.stats().waiting === 1)
    await turns()
    await stranger.release()
    expect(await timer.call).toBe('served')
  })

  test('a use that waits for the holder of a plain acquire', async () => {
    const pool = quiet(2)
    const held = await pool.acquire()
    const waits = pool.use(async () => {
      const late = await outcome(pool.execute('ping', { timeoutMs: 30 }))
      const served = pool.execute('ping')
      await turns()
      await held.release()
      return [late.error, await served]
    })
    expect(await waits).toMatchObject([LATE, { success: true }])
  })

  test('a use whose connection was cut, so that a stranger has the only one', async () => {
    const pool = quiet(1)
    const call = pool.use(async () => {
      pool.clear({ endpoint: address, interruptInUse: true })
      const stranger = await pool.acquire()
      const served = pool.execute('ping')
      await turns()
      await stranger.release()
      return await served
    })
    expect(await call).toMatchObject({ success: true })
  })

  test('plain acquires, which have no scope: their deadline says how many are held', async () => {
    const pool = quiet(1, { acquireTimeoutMs: 30 })
    const held = await pool.acquire()
    const { error } = await outcome(pool.acquire())
    expect(error).toMatchObject(LATE)
    expect(error.message).toContain('(1 held)')
    await held.release()
  })

  test('any of it with detectNestedAcquire: false', async () => {
    const pool = quiet(1, { detectNestedAcquire: false, acquireTimeoutMs: 30 })
    for (const [, nested] of CALLS) {
      const { error } = await outcome(pool.use(() => nested(pool)))
      expect(error).toMatchObject(LATE)
    }
  })
})

test('a call that its holder does not await is served when the holder is done', async () => {
  const { pool } = open(1)
  let later
  await pool.use(async () => {
    later = pool.execute('ping')
    await turns()
  })
  expect(await later).toMatchObject({ success: true })
})

test('a call in a circle that fails for another reason is told that reason', async () => {
  const { pool, alerts } = open(1)
  const call = outcome(pool.use(() => pool.execute('ping')))
  await eventually(() => alerts.length > 0)
  pool.pause()
  expect((await call).error).toMatchObject({ code: 'ERR_POOL_CLEARED', delivered: 'no' })
})

test('uses that start each other, hand over hand, do not keep each other in memory', async () => {
  const { pool } = open(2)
  const leases = []
  let enough
  const chain = new Promise((resolve) => {
    enough = resolve
  })
  function link() {
    pool.use(async (held) => {
      leases.push(new WeakRef(leaseOf(held)))
      const last = leases.length === 20
      await turn()
      if (last) enough()
      else link()
      await (last ? eventually(() => leases.length === 0) : turns())
    })
  }
  link()
  await chain
  v8.setFlagsFromString('--expose-gc')
  const gc = vm.runInNewContext('gc')
  const [first] = leases
  await eventually(() => {
    gc()
    return first.deref() === undefined
  })
  leases.length = 0
})

test('an alert that nobody listens to costs nobody anything', async () => {
  const { pool } = open(1, { acquireTimeoutMs: 30 })
  pool.removeAllListeners('alert')
  const { error } = await outcome(pool.use(() => pool.execute('ping')))
  expect(error).toMatchObject(DEADLOCK)
})
