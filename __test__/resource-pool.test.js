'use strict'

// A ResourcePool as its callers see it: what it takes, what it lends, what it is ordered to do, and in which
// words it speaks.

const { tracingChannel } = require('node:diagnostics_channel')
const { inspect } = require('node:util')
const { PooledResource, PoolError, ResourcePool } = require('..')
const { metricsOf, startHealthReporter } = require('../health')
const { instrument } = require('../opentelemetry')
const { eventually, outcome, turn } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { faultOf, nextEvent } = require('./support/fault')
const { deferred, workshop } = require('./support/workshop')

const NOT_HELD = { code: 'ERR_POOL_NOT_HELD' }

describe('the options', () => {
  const refusal = (options) =>
    faultOf(() => new ResourcePool(options), { code: 'ERR_POOL_INVALID_OPTION' })

  test('must have a create', async () => {
    for (const options of [undefined, {}, { create: undefined }, { create: null }]) {
      expect(await refusal(options)).toMatchObject({
        message: 'create is missing; it must be a function that makes a resource.',
        details: { option: 'create' },
      })
    }
    for (const name of ['create', 'validate', 'destroy']) {
      expect(await refusal({ create() {}, [name]: {} })).toMatchObject({
        message: `${name} is {}; it must be a function.`,
      })
    }
  })

  test('that only make sense with a Blender are told so', async () => {
    for (const name of ['endpoints', 'host', 'dialect', 'allowRemote']) {
      expect((await refusal({ create() {}, [name]: 'localhost:1' })).message).toBe(
        `A ResourcePool has no option '${name}'. It has no endpoints: whatever it pools, create makes.`,
      )
    }
    for (const name of ['commandTimeoutMs', 'pingOnConnect', 'maxRequestBytes']) {
      expect((await refusal({ create() {}, [name]: 1 })).message).toContain(
        `A ResourcePool has no option '${name}'.`,
      )
    }
    expect((await refusal({ create() {}, max: 3 })).message).toContain('Write maxConnections.')
    expect((await refusal({ create() {}, min: 1 })).message).toContain('Write minConnections.')
    expect((await refusal({ crate() {} })).message).toContain('Did you mean create?')
    expect((await refusal({ factory() {} })).message).toContain('Write create.')
    expect((await refusal({ create() {}, testOnBorrow: true })).message).toContain('Write validate')
    expect((await refusal({ create() {}, timeout: 1 })).message).not.toContain('command')
    expect((await refusal(() => 1)).message).toContain('such as { create: async () => … }')
  })

  test('of a call that choose an endpoint are unknown here, and no list has them', async () => {
    const pool = workshop().open()
    const calls = [
      ['acquire', (options) => pool.acquire(options)],
      ['acquire', (options) => pool.use(() => {}, options)],
      ['tryAcquire', (options) => pool.tryAcquire(options)],
      ['clear', (options) => pool.clear(options)],
    ]
    for (const [method, call] of calls) {
      const error = await faultOf(() => call({ endpoint: 'x' }), {
        code: 'ERR_POOL_INVALID_OPTION',
      })
      expect(`${error}`).toContain(`${method}() has no option 'endpoint'.`)
      expect(error.advice).not.toMatch(/endpoint|affinity|factory/)
    }
    const error = await faultOf(() => pool.acquire({ timeout: 5 }), {
      code: 'ERR_POOL_INVALID_OPTION',
    })
    expect(error.message).toBe("acquire() has no option 'timeout'. Write timeoutMs.")
    await pool.close()
  })

  test('are read once, and never again', async () => {
    const reads = []
    const made = []
    const options = new Proxy(
      {
        create() {
          made.push(this)
          return {}
        },
        destroy() {
          made.push(this)
        },
        healthCheckIntervalMs: 0,
      },
      {
        get(target, name) {
          reads.push(name)
          return target[name]
        },
      },
    )
    const pool = new ResourcePool(options)
    expect(reads.filter((name) => name === 'create')).toHaveLength(1)
    const count = reads.length
    await pool.use(() => {})
    await pool.close()
    expect(reads).toHaveLength(count)
    // Without a this: nothing of the pool's own is within reach.
    expect(made).toEqual([undefined, undefined])
  })
})

describe('a lease', () => {
  test('shows its resource while it is held', async () => {
    const shop = workshop()
    const pool = shop.open({ name: 'sessions' })
    const before = Date.now()
    const lease = await pool.acquire()
    expect(lease).toBeInstanceOf(PooledResource)
    expect(lease).toMatchObject({ id: 1, inUse: true, useCount: 0 })
    expect(lease.createdAt).toBeGreaterThanOrEqual(before - 1)
    expect(lease.resource).toBe(shop.made[0])
    expect(inspect(lease)).toBe('PooledResource { id: 1, inUse: true }')
    expect(inspect(pool)).toMatch(/^ResourcePool \{ name: 'sessions', state: 'ready'/)
    await lease.release()
    expect(lease.inUse).toBe(false)
    expect(() => lease.resource).toThrow(
      expect.objectContaining({
        ...NOT_HELD,
        message: 'Resource 1 is not held any more: it was given back already.',
      }),
    )
    const again = await pool.acquire()
    expect(again).toMatchObject({ id: 1, useCount: 1 })
    expect(() => lease.resource).toThrow(expect.objectContaining(NOT_HELD))
    await again[Symbol.asyncDispose]()
    await again[Symbol.asyncDispose]()
    expect(again.inUse).toBe(false)
  })

  test('that is discarded has its resource destroyed', async () => {
    const shop = workshop()
    const pool = shop.open()
    const closed = nextEvent(pool, 'connectionClosed')
    const lease = await pool.acquire()
    await lease.discard('worn out')
    expect(await closed).toMatchObject({ connectionId: 1, reason: 'discarded' })
    expect(() => lease.resource).toThrow(expect.objectContaining(NOT_HELD))
    expect(shop.destroyed).toEqual(shop.made)
  })

  test('belongs to its pool alone', async () => {
    const [one, other] = [workshop().open(), workshop().open()]
    const lease = await one.acquire()
    const error = await faultOf(other.release(lease), NOT_HELD)
    expect(error.message).toBe('Resource 1 is not a resource of this pool.')
    expect((await faultOf(one.release({}), NOT_HELD)).message).toBe(
      '{} is not a resource of this pool.',
    )
    await one.release(lease)
  })

  test('whose resource the pool took says so', async () => {
    for (const take of [
      async (pool) => pool.clear({ interruptInUse: true }),
      (pool) => pool.close({ force: true }),
    ]) {
      const shop = workshop()
      const pool = shop.open()
      const lease = await pool.acquire()
      const { resource } = lease
      await take(pool)
      await eventually(() => shop.destroyed.length === 1)
      expect(shop.destroyed).toEqual([resource])
      expect(() => lease.resource).toThrow(
        expect.objectContaining({
          code: 'ERR_POOL_CONNECTION_LOST',
          message: 'Resource 1 was destroyed while it was held.',
          connectionId: 1,
        }),
      )
      await lease.release()
      expect(() => lease.resource).toThrow(expect.objectContaining(NOT_HELD))
    }
  })

  test('is got at once where one is idle, and by the work of use()', async () => {
    const shop = workshop()
    const pool = shop.open()
    expect(pool.tryAcquire()).toBe(null)
    const answer = await pool.use(async ({ resource }) => {
      expect(resource).toBe(shop.made[0])
      return 42
    })
    expect(answer).toBe(42)
    const lease = pool.tryAcquire()
    expect(lease.resource).toBe(shop.made[0])
    await lease.release()
    const mine = new Error('of the work')
    await expect(
      pool.use(() => {
        throw mine
      }),
    ).rejects.toBe(mine)
    expect(pool.stats()).toMatchObject({ inUse: 0, idle: 1, total: 1 })
  })
})

describe('hooks', () => {
  test('are lent each resource, and fail with the very error they threw', async () => {
    const mine = new Error('of the hook')
    const seen = []
    const shop = workshop()
    const pool = shop.open({
      onConnect: (lease) => {
        seen.push(['onConnect', lease.resource])
        if (lease.id === 1) throw mine
      },
      onRelease: ({ resource }) => seen.push(['onRelease', resource]),
      connectRetryMs: 10_000,
    })
    const failed = nextEvent(pool, 'hookFailed')
    const lease = await pool.acquire()
    expect(await failed).toMatchObject({ connectionId: 1, hook: 'onConnect', endpoint: 'factory' })
    const { error } = await failed
    expect(error.cause).toBe(mine)
    expect(error.advice).toBe('Look at what onConnect does; the resource was destroyed.')
    await lease.release()
    await pool.use(() => {})
    const [first, second] = shop.made
    expect(seen.slice(0, 3)).toEqual([
      ['onConnect', first],
      ['onConnect', second],
      ['onRelease', second],
    ])
    expect(shop.destroyed).toEqual([first])
  })

  test('of recycle() mend a resource, or have it destroyed', async () => {
    const shop = workshop()
    const pool = shop.open()
    const lease = await pool.acquire()
    let lent
    const given = await pool.recycle(lease, async (again) => {
      lent = again
      expect(again.resource).toBe(shop.made[0])
      await faultOf(again.release(), NOT_HELD)
      return 'mended'
    })
    expect(given).toBe('mended')
    expect(() => lent.resource).toThrow(expect.objectContaining(NOT_HELD))
    const mine = new Error('cannot be mended')
    const call = pool.recycle(await pool.acquire(), () => Promise.reject(mine))
    await expect(call).rejects.toBe(mine)
    await pool.use(({ resource }) => expect(resource).toBe(shop.made[1]))
  })
})

describe('orders', () => {
  test('clear() destroys what is idle now, and what is held when it comes back', async () => {
    const shop = workshop()
    const pool = shop.open({ maxConnections: 2 })
    const [held, idle] = await Promise.all([pool.acquire(), pool.acquire()])
    await idle.release()
    pool.clear()
    await eventually(() => shop.destroyed.length === 1)
    expect(pool.state).toBe('paused')
    expect(held.resource).toBe(shop.made.find((one) => one !== shop.destroyed[0]))
    await faultOf(pool.acquire(), { code: 'ERR_POOL_CLEARED' })
    await held.release()
    await eventually(() => shop.destroyed.length === 2)
    pool.ready()
    await pool.use(({ resource }) => expect(resource).toBe(shop.made[2]))
  })

  test('resize(), warm() and minConnections keep as many as they say', async () => {
    const shop = workshop()
    const pool = shop.open({ minConnections: 2, maxConnections: 2 })
    await pool.warm()
    expect(shop.standing).toBe(2)
    pool.resize({ minConnections: 0, maxConnections: 1 })
    await eventually(() => shop.standing === 1)
    pool.resize({ minConnections: 3, maxConnections: 3 })
    await pool.warm()
    expect(shop.standing).toBe(3)
    const mine = new Error('no more')
    const failing = workshop({ make: () => Promise.reject(mine) }).open({ minConnections: 1 })
    expect((await faultOf(failing.warm(), { code: 'ERR_POOL_CONNECT' })).cause).toBe(mine)
  })

  test('what is too old, unused or worn is destroyed', async () => {
    for (const [options, reason] of [
      [{ idleTimeoutMs: 20 }, 'idle'],
      [{ maxLifetimeMs: 20 }, 'lifetime'],
      [{ maxUses: 1 }, 'uses'],
    ]) {
      const shop = workshop()
      const pool = shop.open({ maintenanceIntervalMs: 5, ...options })
      const closed = nextEvent(pool, 'connectionClosed')
      await pool.use(() => {})
      expect(await closed).toMatchObject({ connectionId: 1, reason })
      expect(shop.destroyed).toEqual(shop.made)
    }
  })

  test('close() waits for each destroy, at the most for drainTimeoutMs', async () => {
    const gate = deferred()
    const shop = workshop({ unmake: () => gate.promise })
    const pool = shop.open()
    await pool.use(() => {})
    const closing = pool.close({ force: true })
    await eventually(() => shop.destroyed.length === 1)
    await turn()
    expect(pool.state).toBe('closing')
    gate.resolve()
    expect(await closing).toMatchObject({ cut: 0, failedWaiters: 0 })

    const hanging = workshop({ unmake: () => deferred().promise })
    const patient = hanging.open({ maxConnections: 2, drainTimeoutMs: 30 })
    const told = new Chronicle(patient)
    const leases = await Promise.all([patient.acquire(), patient.acquire()])
    await Promise.all(leases.map((lease) => lease.release()))
    await patient.close()
    expect(told.of('hookFailed')).toHaveLength(2)
    expect(told.entries.at(-1)).toMatchObject({ event: 'poolClosed' })
    expect(told.faults()).toEqual([])
  })

  test('drainTimeoutMs 0 waits for no destroy, and tells of failures alone', async () => {
    const gate = deferred()
    const shop = workshop({ unmake: () => gate.promise })
    const pool = shop.open({ drainTimeoutMs: 0 })
    const told = new Chronicle(pool)
    for (let round = 0; round < 3; round++) await (await pool.acquire()).discard()
    await told.has('connectionClosed', 3)
    expect(told.of('hookFailed')).toEqual([])
    gate.reject(new Error('after all'))
    expect(await told.has('hookFailed', 3)).toHaveLength(3)
  })
})

describe('what is told', () => {
  test('resources() shows each with its state, and nothing that means nothing', async () => {
    const pool = workshop().open()
    const lease = await pool.acquire()
    expect(pool.resources()).toEqual([
      {
        id: 1,
        slot: 0,
        state: 'inUse',
        generation: expect.any(Number),
        createdAt: expect.any(Number),
        lastUsedAt: expect.any(Number),
        useCount: 1,
        healthFailures: 0,
        healthScore: 1,
        latencyMs: null,
      },
    ])
    await lease.release()
    expect(pool.connections).toBe(undefined)
    expect(pool.execute).toBe(undefined)
  })

  test('the events are those of a ConnectionPool, in their order', async () => {
    const pool = workshop().open({ validate: () => true })
    const told = new Chronicle(pool)
    await pool.use(() => {})
    await pool.checkHealth()
    await pool.close()
    expect(told.faults()).toEqual([])
    expect(told.names()).toEqual([
      'poolCreated',
      'poolReady',
      'connectionCheckOutStarted',
      'connectionCreated',
      'connectionReady',
      'connectionCheckedOut',
      'connectionCheckedIn',
      'healthCheckSucceeded',
      'connectionClosed',
      'poolClosed',
    ])
  })

  test('a lease held too long, and one that waits for itself', async () => {
    const pool = workshop().open({ leakThresholdMs: 20 })
    const leak = nextEvent(pool, 'leakDetected')
    const lease = await pool.acquire()
    expect(await leak).toMatchObject({
      connectionId: 1,
      stack: expect.stringContaining(__filename),
    })
    await lease.release()
    const alert = nextEvent(pool, 'alert', ({ metric }) => metric === 'nestedAcquire')
    const error = await pool.use(() =>
      faultOf(pool.acquire({ timeoutMs: 50 }), { code: 'ERR_POOL_DEADLOCK' }),
    )
    expect((await alert).message).toBe(
      'Nobody gets a resource: the only resource is held, and its holder waits for one more of the same ' +
        'pool. Use the resource that use() gives instead of asking for another, release it first, or raise ' +
        'maxConnections.',
    )
    expect(error.message).toContain('the only resource is held')
  })

  test('figures: stats, metrics, health reporter, OpenTelemetry and tracing channels', async () => {
    const traced = []
    const channel = tracingChannel('blender-pool:connect')
    const subscriber = { asyncEnd: ({ pool, endpoint }) => traced.push([pool, endpoint]) }
    channel.subscribe(subscriber)
    const pool = workshop().open({ name: 'sessions', validate: () => true })
    const stop = instrument(pool)
    await pool.use(() => {})
    await eventually(() => traced.length === 1)
    channel.unsubscribe(subscriber)
    stop()
    expect(traced).toEqual([['sessions', 'factory']])
    expect(pool.stats()).toMatchObject({
      acquired: 1,
      created: 1,
      commands: 0,
      endpoints: [{ name: 'factory', dialect: null, state: 'up', idle: 1 }],
    })
    for (const text of [pool.metrics(), metricsOf([pool])]) {
      expect(text).toContain('blender_pool_connections_max{pool="sessions"} 1')
      expect(text).toContain('endpoint="factory"')
    }
    const reporter = startHealthReporter(pool)
    expect(await reporter.reportNow()).toMatchObject({ health: { status: 'healthy' } })
    reporter.stop()
  })
})

test('every fault speaks of resources, never of connections or Blenders', async () => {
  const faults = []
  const told = []
  const note = async (call) => {
    const { error } = await outcome(Promise.resolve().then(call))
    if (error === undefined) throw new Error(`it went well: ${call}`)
    faults.push(error)
  }
  const listen = (pool) => {
    pool.on('alert', ({ message }) => told.push(message))
    for (const event of ['connectionClosed', 'healthCheckFailed', 'hookFailed', 'endpointDown']) {
      pool.on(event, ({ error }) => error && faults.push(error))
    }
    pool.on('connectionCheckOutFailed', ({ error }) => faults.push(error))
    return pool
  }
  const never = () => deferred().promise

  // A pool that is full.
  const full = listen(
    workshop().open({ maxWaiting: 1, alertQueueDepth: 1, alertUsePercent: 1, alertWaitMs: 1 }),
  )
  const lease = await full.acquire()
  const second = note(() => full.acquire({ timeoutMs: 30 }))
  await turn()
  await note(() => full.acquire())
  await second
  await lease.release()
  await note(() => lease.release())
  await note(() => lease.resource)
  await note(() => full.release(lease))
  await note(() => full.release({}))
  const held = await full.acquire()
  const waits = full.acquire()
  await held.discard()
  await note(async () => (await waits).discard(3))
  await (await waits).release()
  full.clear()
  await note(() => full.acquire())
  await note(() => full.tryAcquire())
  full.ready()
  const cut = await full.acquire()
  full.clear({ interruptInUse: true })
  await nextEvent(full, 'connectionClosed')
  await note(() => cut.resource)
  await note(() => full.recycle(cut, () => {}))
  full.ready()
  const last = await full.acquire()
  const lostAtClose = note(() => full.acquire())
  await full.close({ force: true })
  await lostAtClose
  await note(() => last.resource)
  await note(() => full.acquire())
  await note(() => full.ready())

  // One whose functions fail.
  let works = true
  const failing = listen(
    workshop({
      make: () => (works ? {} : Promise.reject(new Error('no'))),
      unmake: () => Promise.reject(new Error('nor this')),
    }).open({
      validate: never,
      healthCheckTimeoutMs: 20,
      healthCheckFailures: 2,
      minConnections: 1,
    }),
  )
  await failing.warm()
  const report = failing.checkHealth()
  const unhealthy = nextEvent(failing, 'connectionClosed')
  works = false
  await unhealthy
  faults.push(...(await report).connections.flatMap(({ error }) => error ?? []))
  told.push(...(await report).reasons)
  await note(() => failing.acquire())
  await note(() => failing.warm())
  await failing.close()

  // One whose functions hang.
  const hanging = listen(
    workshop({ make: never }).open({
      connectTimeoutMs: 20,
      acquireTimeoutMs: 60,
      connectRetryMs: 10_000,
    }),
  )
  await note(() => hanging.acquire())

  // One whose hooks do.
  const hooked = listen(workshop().open({ onRelease: never, hookTimeoutMs: 20 }))
  const freed = nextEvent(hooked, 'connectionClosed')
  await (await hooked.acquire()).release()
  await freed
  const refused = listen(workshop().open({ onConnect: (one) => one.discard() }))
  await note(() => refused.acquire())
  const lent = await refused.close()
  expect(lent.cut).toBe(0)

  const codes = new Set(faults.map(({ code }) => code))
  for (const code of [
    'ERR_POOL_ACQUIRE_TIMEOUT',
    'ERR_POOL_QUEUE_FULL',
    'ERR_POOL_NOT_HELD',
    'ERR_POOL_CLEARED',
    'ERR_POOL_CLOSED',
    'ERR_POOL_CONNECT',
    'ERR_POOL_CONNECTION_LOST',
    'ERR_POOL_COMMAND_TIMEOUT',
  ]) {
    expect([code, codes.has(code)]).toEqual([code, true])
  }
  const words =
    /blender|add-on|host and port|\bscene\b|\bping|\bdial|\bsocket|\bcommand\b|\bconnections?\b/i
  for (const text of [...told, ...faults.flatMap(({ message, advice }) => [message, advice])]) {
    expect(text).not.toMatch(words)
    expect(text).toMatch(/\S{2,}/)
  }
  for (const fault of faults) expect(fault).toBeInstanceOf(PoolError)
})
