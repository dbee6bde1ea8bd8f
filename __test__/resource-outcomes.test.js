'use strict'

// What user code may do in a ResourcePool, and what comes of it: each row of the table in docs/resource-pool.md
// is a test, and each test a row.

const { PoolError } = require('..')
const { pages } = require('../scripts/docs')
const { eventually, outcome, turn } = require('./support/arena')
const { runScript } = require('./support/child')
const { Chronicle } = require('./support/chronicle')
const { faultOf, nextEvent } = require('./support/fault')
const { deferred, workshop } = require('./support/workshop')

const FAILURES = [
  [
    'throws',
    (error) => {
      throw error
    },
  ],
  [
    'rejects',
    async (error) => {
      throw error
    },
  ],
]

/** A pool of one that has made its resource, which lies idle. */
async function idlePool(shop, options) {
  const pool = shop.open(options)
  const lease = await pool.acquire()
  await lease.release()
  return pool
}

/** Whoever comes next gets something, and the pool holds no more than that. */
async function expectServing(pool) {
  const lease = await pool.acquire()
  expect(pool.stats()).toMatchObject({ inUse: 1, total: 1 })
  await lease.release()
}

const ROWS = {
  'create gives a resource, at once or later': async () => {
    for (const give of [(made) => made, async (made) => made]) {
      const made = { some: 'thing' }
      const shop = workshop()
      const pool = shop.open({ create: () => give(made), destroy: null })
      const ready = nextEvent(pool, 'connectionReady')
      const lease = await pool.acquire()
      expect(lease.resource).toBe(made)
      expect(await ready).toEqual({
        connectionId: lease.id,
        endpoint: 'factory',
        durationMs: expect.any(Number),
      })
    }
  },

  'create gives `undefined` or `null`': async () => {
    for (const nothing of [undefined, null]) {
      const shop = workshop({ make: () => nothing })
      const pool = shop.open()
      const ready = nextEvent(pool, 'connectionReady')
      const lease = await pool.acquire()
      expect(lease.resource).toBe(nothing)
      await ready
      await lease.discard()
      await eventually(() => shop.destroyed.length === 1)
      expect(shop.destroyed).toEqual([nothing])
    }
  },

  'create settles twice (a thenable)': async () => {
    const first = new Error('first')
    const thenables = [
      // biome-ignore lint/suspicious/noThenProperty: what user code may give
      { then: (resolve, reject) => [resolve('made'), resolve('again'), reject(first)] },
      // biome-ignore lint/suspicious/noThenProperty: what user code may give
      { then: (resolve, reject) => [reject(first), resolve('made'), reject(new Error('again'))] },
    ]
    const destroyed = []
    const pool = workshop().open({
      create: () => thenables.shift(),
      destroy: (resource) => destroyed.push(resource),
    })
    const lease = await pool.acquire()
    expect(lease.resource).toBe('made')
    await lease.discard()
    const { cause } = await faultOf(pool.acquire(), { code: 'ERR_POOL_CONNECT' })
    expect(cause).toBe(first)
    expect(destroyed).toEqual(['made'])
  },

  'create throws or rejects': async () => {
    for (const [, fail] of FAILURES) {
      const mine = new Error('of create')
      let failing = true
      const shop = workshop({ make: () => (failing ? fail(mine) : {}) })
      const pool = shop.open()
      const closed = nextEvent(pool, 'connectionClosed')
      const down = nextEvent(pool, 'endpointDown')
      const error = await faultOf(pool.acquire(), {
        code: 'ERR_POOL_CONNECT',
        message: 'create failed: of create',
        endpoint: 'factory',
        connectionId: 1,
        retryable: true,
      })
      expect(error.cause).toBe(mine)
      expect(await closed).toMatchObject({ connectionId: 1, reason: 'error' })
      expect((await closed).error.cause).toBe(mine)
      expect((await down).error.cause).toBe(mine)
      expect(pool.stats()).toMatchObject({ total: 0, connectFailures: 1, created: 1 })
      failing = false
      await expectServing(pool)

      // With patience, the caller never hears of it.
      let left = 3
      const patient = workshop({ make: () => (left-- > 0 ? fail(mine) : {}) })
      await expectServing(patient.open({ connectRetryMs: 10_000 }))
    }
  },

  'create hangs': async () => {
    const shop = workshop({ make: (_signal, number) => (number === 1 ? deferred().promise : {}) })
    const pool = shop.open({ connectTimeoutMs: 200 })
    const closed = nextEvent(pool, 'connectionClosed')
    const error = await faultOf(pool.acquire(), {
      code: 'ERR_POOL_CONNECT',
      message: 'create did not finish within 200 ms (connectTimeoutMs)',
    })
    const [signal] = shop.signals
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toBeInstanceOf(PoolError)
    expect(signal.reason).toMatchObject({ code: 'ERR_POOL_CONNECT', message: error.message })
    expect(error.cause).toBe(signal.reason)
    expect((await closed).error.cause).toBe(signal.reason)
    expect(pool.stats().total).toBe(0)
    await expectServing(pool)
  },

  'create gives a resource after it was given up': async () => {
    const late = deferred()
    const shop = workshop({ make: (_signal, number) => (number === 1 ? late.promise : number) })
    const pool = shop.open({ connectTimeoutMs: 200 })
    await faultOf(pool.acquire(), { code: 'ERR_POOL_CONNECT' })
    const lease = await pool.acquire()
    const alert = nextEvent(pool, 'alert', ({ metric }) => metric === 'lateResource')
    late.resolve('late')
    expect(await alert).toMatchObject({
      severity: 'warning',
      endpoint: 'factory',
      message: expect.stringContaining('resource 1'),
    })
    const { value, threshold } = await alert
    expect(value).toBeGreaterThanOrEqual(threshold)
    expect(shop.destroyed).toEqual(['late'])
    expect(lease.resource).toBe(2)
    await lease.release()
    await pool.use(({ resource }) => expect(resource).toBe(2))
    expect(pool.stats()).toMatchObject({ total: 1, hookFailures: 0 })
  },

  'create rejects after it was given up': async () => {
    const late = deferred()
    const shop = workshop({ make: (_signal, number) => (number === 1 ? late.promise : {}) })
    const pool = shop.open({ connectTimeoutMs: 200 })
    await faultOf(pool.acquire(), { code: 'ERR_POOL_CONNECT' })
    const { entries } = new Chronicle(pool)
    late.reject(new Error('too late'))
    await turn()
    await turn()
    expect(entries).toEqual([])
    await expectServing(pool)
  },

  'create is under way when the pool is cleared or closed': async () => {
    for (const [order, reason, code] of [
      [(pool) => pool.clear(), 'stale', 'ERR_POOL_CLEARED'],
      [(pool) => pool.close(), 'poolClosed', 'ERR_POOL_CLOSED'],
    ]) {
      const shop = workshop({ make: () => deferred().promise })
      const pool = shop.open()
      const told = new Chronicle(pool)
      const waiting = faultOf(pool.acquire(), { code })
      await told.has('connectionCreated')
      await eventually(() => shop.signals.length === 1)
      await order(pool)
      await waiting
      const [signal] = shop.signals
      await eventually(() => signal.aborted)
      expect(signal.reason).toBeInstanceOf(PoolError)
      expect(signal.reason).toMatchObject({ code, connectionId: 1 })
      expect(await told.has('connectionClosed')).toMatchObject([{ reason, connectionId: 1 }])
      expect(pool.stats().total).toBe(0)
    }
  },

  'create gives a resource after the pool closed': async () => {
    const late = deferred()
    const shop = workshop({ make: () => late.promise })
    const pool = shop.open()
    const { entries } = new Chronicle(pool)
    const waiting = outcome(pool.acquire())
    await eventually(() => shop.signals.length === 1)
    await pool.close()
    expect((await waiting).error.code).toBe('ERR_POOL_CLOSED')
    const last = entries.length
    late.resolve('late')
    await eventually(() => shop.destroyed.length === 1)
    await turn()
    expect(shop.destroyed).toEqual(['late'])
    expect(entries.slice(last)).toEqual([])
  },

  'validate gives anything but `false`': async () => {
    const verdicts = [true, undefined, null, 0, '', 'no', Promise.resolve()]
    const seen = []
    const shop = workshop()
    const pool = await idlePool(shop, {
      validate: (resource) => {
        seen.push(resource)
        return verdicts[seen.length - 1]
      },
    })
    const told = new Chronicle(pool)
    for (const _ of verdicts) {
      expect(await pool.checkHealth()).toMatchObject({
        status: 'healthy',
        connections: [{ ok: true }],
      })
    }
    expect(await told.has('healthCheckSucceeded', verdicts.length)).toHaveLength(verdicts.length)
    expect(seen).toEqual(verdicts.map(() => shop.made[0]))
    expect(pool.resources()).toMatchObject([{ id: 1, state: 'idle', healthFailures: 0 }])
    expect(told.of('connectionClosed')).toEqual([])
    await expectServing(pool)
  },

  'validate gives `false`, throws or rejects': async () => {
    const mine = new Error('of validate')
    for (const [judge, cause] of [
      [() => false, undefined],
      [async () => false, undefined],
      ...FAILURES.map(([, fail]) => [() => fail(mine), mine]),
    ]) {
      const shop = workshop()
      const pool = await idlePool(shop, { validate: judge })
      const told = new Chronicle(pool)
      const report = await pool.checkHealth()
      expect(report).toMatchObject({ connections: [{ id: 1, ok: false }] })
      const [failed] = await told.has('healthCheckFailed')
      const [closed] = await told.has('connectionClosed')
      expect(failed).toMatchObject({ connectionId: 1, consecutiveFailures: 1 })
      expect(closed).toMatchObject({ connectionId: 1, reason: 'unhealthy' })
      for (const { error } of [failed, closed, report.connections[0]]) {
        expect(error.message).toBe(
          `validate failed: ${cause === undefined ? 'it gave false' : cause.message}`,
        )
        if (cause !== undefined) expect(error.cause).toBe(cause)
      }
      expect(shop.destroyed).toEqual([shop.made[0]])
      await pool.use(({ resource }) => expect(resource).toBe(shop.made[1]))
      expect(pool.stats()).toMatchObject({ healthCheckFailures: 1, closed: { unhealthy: 1 } })
    }
  },

  'validate hangs': async () => {
    const shop = workshop()
    const pool = await idlePool(shop, {
      validate: () => deferred().promise,
      healthCheckTimeoutMs: 20,
      healthCheckFailures: 2,
    })
    const told = new Chronicle(pool)
    pool.checkHealth()
    const lease = await pool.acquire()
    expect(lease.resource).toBe(shop.made[1])
    expect(told.of('healthCheckFailed')).toMatchObject([
      { connectionId: 1, consecutiveFailures: 1, error: { code: 'ERR_POOL_COMMAND_TIMEOUT' } },
      { connectionId: 1, consecutiveFailures: 2 },
    ])
    expect(told.of('connectionClosed')).toMatchObject([{ connectionId: 1, reason: 'unhealthy' }])
    expect(shop.most).toBe(1)
    expect(pool.stats().total).toBe(1)
  },

  'validate answers late, but before that': async () => {
    const answer = deferred()
    const shop = workshop()
    const pool = await idlePool(shop, {
      validate: () => answer.promise,
      healthCheckTimeoutMs: 20,
      healthCheckFailures: 1_000,
    })
    const told = new Chronicle(pool)
    pool.checkHealth()
    await told.has('healthCheckFailed')
    answer.resolve(true)
    await told.has('healthCheckSucceeded')
    expect(pool.resources()).toMatchObject([{ id: 1, state: 'idle', healthFailures: 0 }])
    await pool.use(({ resource }) => expect(resource).toBe(shop.made[0]))
  },

  'validate answers after its resource was destroyed': async () => {
    for (const answer of [true, false, new Error('far too late')]) {
      const asked = deferred()
      const shop = workshop()
      const pool = await idlePool(shop, {
        validate: (resource) => (resource === shop.made[0] ? asked.promise : true),
        healthCheckTimeoutMs: 200,
        healthCheckFailures: 1,
      })
      pool.checkHealth()
      await nextEvent(pool, 'connectionClosed')
      await expectServing(pool)
      const { entries } = new Chronicle(pool)
      if (answer instanceof Error) asked.reject(answer)
      else asked.resolve(answer)
      await turn()
      await turn()
      expect(entries).toEqual([])
      expect(pool.resources()).toMatchObject([{ id: 2, state: 'idle' }])
      expect(await pool.checkHealth()).toMatchObject({ connections: [{ id: 2, ok: true }] })
    }
  },

  'validate is not given': async () => {
    const shop = workshop()
    const pool = await idlePool(shop)
    const { entries } = new Chronicle(pool)
    expect(await pool.checkHealth()).toMatchObject({ connections: [{ id: 1, ok: null }] })
    expect(pool.stats()).toMatchObject({ healthChecks: 0, idle: 1 })
    expect(entries).toEqual([])
    await pool.use(({ id }) => expect(id).toBe(1))
  },

  'destroy ends': async () => {
    const taken = deferred()
    const shop = workshop({ unmake: ({ number }) => (number === 1 ? taken.promise : undefined) })
    const pool = shop.open()
    const first = await pool.acquire()
    const next = pool.acquire()
    const closed = nextEvent(pool, 'connectionClosed')
    await first.discard()
    await eventually(() => shop.destroyed.length === 1)
    // It counts until it is gone.
    expect(pool.stats()).toMatchObject({ total: 1, unusable: 1, waiting: 1 })
    taken.resolve()
    expect((await next).resource).toBe(shop.made[1])
    expect(await closed).toEqual({ connectionId: 1, endpoint: 'factory', reason: 'discarded' })
    expect(shop.most).toBe(1)
  },

  'destroy throws or rejects': async () => {
    for (const [, fail] of FAILURES) {
      const mine = new Error('of destroy')
      const shop = workshop({ unmake: ({ number }) => (number === 1 ? fail(mine) : undefined) })
      const pool = shop.open()
      const told = new Chronicle(pool)
      const first = await pool.acquire()
      const next = pool.acquire()
      await first.discard()
      expect((await next).resource).toBe(shop.made[1])
      const [failed] = told.of('hookFailed')
      expect(failed).toMatchObject({
        connectionId: 1,
        hook: 'destroy',
        error: { message: 'destroy failed: of destroy' },
      })
      expect(failed.error.cause).toBe(mine)
      const names = told.names(({ connectionId }) => connectionId === 1)
      expect(names.slice(-2)).toEqual(['hookFailed', 'connectionClosed'])
      expect(pool.stats().hookFailures).toBe(1)
    }
  },

  'destroy hangs': async () => {
    const hangs = deferred()
    const shop = workshop({ unmake: ({ number }) => (number === 1 ? hangs.promise : undefined) })
    const pool = shop.open({ drainTimeoutMs: 20 })
    const told = new Chronicle(pool)
    const first = await pool.acquire()
    const next = pool.acquire()
    await first.discard()
    expect((await next).resource).toBe(shop.made[1])
    expect(told.of('hookFailed')).toMatchObject([
      {
        connectionId: 1,
        hook: 'destroy',
        error: { message: 'destroy did not finish within 20 ms (drainTimeoutMs)' },
      },
    ])
    expect(told.of('connectionClosed')).toMatchObject([{ connectionId: 1, reason: 'discarded' }])
    // That it ends after all changes nothing.
    const last = told.entries.length
    hangs.resolve()
    await turn()
    await turn()
    expect(told.entries.slice(last)).toEqual([])
    expect(pool.stats()).toMatchObject({ total: 1, hookFailures: 1 })
  },

  'destroy rejects after that': async () => {
    const hangs = deferred()
    const shop = workshop({ unmake: () => hangs.promise })
    const pool = shop.open({ drainTimeoutMs: 20 })
    const told = new Chronicle(pool)
    await (await pool.acquire()).discard()
    await told.has('hookFailed')
    const mine = new Error('after all')
    hangs.reject(mine)
    const [, second] = await told.has('hookFailed', 2)
    expect(second).toMatchObject({ connectionId: 1, hook: 'destroy' })
    expect(second.error.cause).toBe(mine)
    expect(told.of('connectionClosed')).toHaveLength(1)
    expect(pool.stats().total).toBe(0)
    shop.destroyed.length = 1
  },

  'destroy rejects for a resource that came too late': async () => {
    const late = deferred()
    const mine = new Error('of destroy')
    const shop = workshop({
      make: (_signal, number) => (number === 1 ? late.promise : number),
      unmake: (resource) => (resource === 'late' ? Promise.reject(mine) : undefined),
    })
    const pool = shop.open({ connectTimeoutMs: 200 })
    await faultOf(pool.acquire(), { code: 'ERR_POOL_CONNECT' })
    await expectServing(pool)
    const failed = nextEvent(pool, 'hookFailed')
    late.resolve('late')
    expect(await failed).toMatchObject({ connectionId: 1, hook: 'destroy' })
    expect((await failed).error.cause).toBe(mine)
    expect(pool.stats()).toMatchObject({ total: 1, idle: 1, hookFailures: 1 })
  },

  'destroy rejects when the pool is closed already': async () => {
    const { code, stderr, reports } = await runScript(`
      const { ResourcePool } = require('blender-pool')
      process.on('warning', ({ name, message, detail }) => report({ name, message, detail }))
      let come
      const pool = new ResourcePool({
        name: 'sessions',
        create: () => new Promise((resolve) => { come = resolve }),
        destroy: async () => { throw new Error('of destroy') },
      })
      pool.acquire().catch(() => {})
      const wait = async () => {
        while (come === undefined) await new Promise(setImmediate)
        await pool.close()
        come('late')
      }
      wait()`)
    expect({ code, reports }).toEqual({
      code: 0,
      reports: [
        {
          name: 'PoolDestroyWarning',
          message: 'destroy failed for resource 1 of sessions, which is closed.',
          detail: expect.stringContaining('of destroy'),
        },
      ],
    })
    expect(stderr).not.toContain('unhandledRejection')
  },

  'destroy is not given': async () => {
    let made = 0
    const pool = workshop().open({ create: () => ++made, destroy: undefined })
    const closed = nextEvent(pool, 'connectionClosed')
    const first = await pool.acquire()
    const next = pool.acquire()
    await first.discard()
    expect((await next).resource).toBe(2)
    expect(await closed).toMatchObject({ connectionId: 1, reason: 'discarded' })
    expect(pool.stats()).toMatchObject({ total: 1, hookFailures: 0 })
  },
}

const { text } = pages().find(({ name }) => name === 'resource-pool.md')
const rows = [...text.matchAll(/^\| `(create|validate|destroy)` \| ([^|]+) \|(?: [^|]+ \|){3}$/gm)]

test.each(rows.map(([, what, does]) => `${what} ${does}`))('%s', async (row) => {
  await ROWS[row]()
})

test('there is a row for everything that is tested, and nothing is in the table twice', () => {
  expect(rows.map(([, what, does]) => `${what} ${does}`)).toEqual(Object.keys(ROWS))
})
