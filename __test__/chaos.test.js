'use strict'

// Everything that can be asked of a pool, at any moment, from anywhere, twice: by callers, by listeners
// and by hooks. Whatever comes of each call, it comes once; the events tell it in order; no command runs
// twice or behind a caller's back; the pool's figures are those of the servers; and nothing is left over.
//
// BLENDER_POOL_SEED=n runs another storm than the usual ones.

const { PoolError, deliveredOf } = require('..')
const { arena, eventually, outcome, turn } = require('./support/arena')
const { Chronicle } = require('./support/chronicle')
const { Random } = require('./support/random')

const STEPS = 300
const SEEDS = process.env.BLENDER_POOL_SEED ? [Number(process.env.BLENDER_POOL_SEED)] : [1, 2, 3]

const { pool, simulator } = arena()

/** What a call may be told; an abort gives its own reason. */
const CODES = [
  'ERR_POOL_CLEARED',
  'ERR_POOL_CLOSED',
  'ERR_POOL_ACQUIRE_TIMEOUT',
  'ERR_POOL_COMMAND_TIMEOUT',
  'ERR_POOL_CONNECTION_LOST',
  'ERR_POOL_CONNECT',
  'ERR_POOL_ENDPOINT_DOWN',
  'ERR_POOL_NOT_HELD',
  'ERR_POOL_QUEUE_FULL',
  'ERR_POOL_DEADLOCK',
]
const ENOUGH = new Error('enough')
const HOOK = new Error('the hook has had enough')

class Storm {
  /** What became of each echo: `{ delivered, error? }` by its number. */
  echoes = new Map()
  calls = 0
  settled = 0
  strange = []
  #n = 0
  #depth = 0
  #lastTotals = new Map()

  constructor(seed, servers) {
    this.random = new Random(seed)
    this.servers = servers
    this.pool = pool(null, {
      dialect: 'worker',
      endpoints: servers.map(({ address }, at) => ({ name: `blender ${at}`, address })),
      minConnections: 1,
      maxConnections: 4,
      maxUses: 30,
      maxWaiting: 30,
      acquireTimeoutMs: 400,
      connectRetryMs: 100,
      retryBackoffMs: 1,
      maxRetryBackoffMs: 5,
      drainTimeoutMs: 200,
      hookTimeoutMs: 200,
      idleTimeoutMs: 20,
      maxLifetimeMs: 150,
      maintenanceIntervalMs: 3,
      healthCheckIntervalMs: 10,
      leakThresholdMs: 20,
      alertQueueDepth: 5,
      onConnect: (connection) => this.#hook(connection, 0.02),
      onRelease: (connection) => this.#hook(connection, 0.05),
    })
    this.told = new Chronicle(this.pool)
    for (const event of [
      'connectionCreated',
      'connectionReady',
      'connectionClosed',
      'connectionCheckedOut',
      'connectionCheckedIn',
      'connectionCheckOutFailed',
      'healthCheckSucceeded',
      'poolCleared',
    ]) {
      this.pool.on(event, () => this.#aside(0.03))
    }
  }

  /** Follows a call to its one outcome. */
  #follow(promise) {
    this.calls++
    let times = 0
    return outcome(promise).then((told) => {
      this.settled++
      if (++times > 1) this.strange.push('a call was settled twice')
      const { error } = told
      const isKnown =
        error === undefined ||
        error === ENOUGH ||
        error === HOOK ||
        (error instanceof PoolError && CODES.includes(error.code))
      if (!isKnown) this.strange.push(error)
      return told
    })
  }

  #hook(connection, failing) {
    this.#aside(0.05)
    if (this.random.is(failing)) throw HOOK
    if (this.random.is(0.5)) return this.#echo((command) => connection.execute(command))
    return undefined
  }

  /** Something else in the middle of something. */
  #aside(chance) {
    if (this.#depth > 2 || !this.random.is(chance)) return
    this.#depth++
    setImmediate(() => {
      this.#depth--
    })
    this.order()
  }

  /** An echo, and what is told of it. */
  async #echo(execute, options) {
    const n = ++this.#n
    const call = execute({ type: 'echo', params: { n } }, options)
    const { value, error } = await this.#follow(call)
    if (value !== undefined && value.result?.n !== n) this.strange.push({ n, value })
    const delivered = value ? 'yes' : error === ENOUGH ? deliveredOf(call) : error.delivered
    this.echoes.set(n, { delivered, error })
  }

  #options({ forAny = true } = {}) {
    const { random } = this
    const options = {}
    if (random.is(0.2)) options.timeoutMs = random.between(1, 30)
    if (forAny) {
      if (random.is(0.3)) options.priority = random.between(-3, 3)
      if (random.is(0.2)) options.endpoint = `blender ${random.between(0, 1)}`
      if (options.endpoint === undefined && random.is(0.2)) {
        options.affinity = random.between(1, 5)
      }
    }
    if (random.is(0.25)) {
      const giveUp = new AbortController()
      options.signal = giveUp.signal
      if (random.is(0.1)) giveUp.abort(ENOUGH)
      else setTimeout(() => giveUp.abort(ENOUGH), random.between(0, 15))
    }
    return options
  }

  /** What a caller does. */
  call() {
    const { pool, random } = this
    const deeds = {
      execute: () => this.#echo((...args) => pool.execute(...args), this.#options()),
      acquire: async () => {
        const { value } = await this.#follow(pool.acquire(this.#options()))
        if (value) await this.#hold(value)
      },
      use: () => this.#follow(pool.use((held) => this.#work(held), this.#options())),
      tryAcquire: async () => {
        const { value } = await this.#follow((async () => pool.tryAcquire())())
        if (value) await this.#hold(value)
      },
    }
    return deeds[random.of(['execute', 'execute', 'execute', 'acquire', 'use', 'tryAcquire'])]()
  }

  async #work(held) {
    const { random } = this
    const commands = Array.from({ length: random.between(0, 3) }, () =>
      this.#echo((...args) => held.execute(...args), this.#options({ forAny: false })),
    )
    if (random.is(0.3)) this.#aside(1)
    if (random.is(0.5)) await Promise.all(commands)
    if (random.is(0.2)) await new Promise((resolve) => setTimeout(resolve, random.between(0, 30)))
  }

  async #hold(held) {
    const { pool, random } = this
    await this.#work(held)
    const ways = [
      () => held.release(),
      () => held.release(),
      () => pool.release(held),
      () => held.discard(),
      () => pool.recycle(held, (lent) => this.#hook(lent, 0.1)),
    ]
    const way = random.of(ways)
    await this.#follow(way())
    if (random.is(0.2)) await this.#follow(random.of(ways)())
  }

  /** What is ordered of the whole pool. */
  order() {
    const { pool, random } = this
    const orders = {
      clear: () =>
        pool.clear({
          ...(random.is(0.5) && { endpoint: `blender ${random.between(0, 1)}` }),
          interruptInUse: random.is(0.4),
        }),
      pause: () => pool.pause(),
      ready: () => pool.ready(),
      resize: () => {
        const maxConnections = random.between(1, 7)
        pool.resize({ minConnections: random.between(0, maxConnections), maxConnections })
      },
      checkHealth: () => pool.checkHealth(),
      warm: () => pool.warm(),
      look: () => this.look(),
    }
    const name = random.of(Object.keys(orders))
    const order = async () => orders[name]()
    this.#follow(order())
    if (random.is(0.2)) this.#follow(order())
    // A pool that stays paused has little to show.
    if (name === 'clear' || name === 'pause') {
      setTimeout(() => this.#follow((async () => pool.ready())()), random.between(0, 5))
    }
  }

  /** What becomes of a Blender. */
  trouble() {
    const { random } = this
    const server = random.of(this.servers)
    const troubles = {
      hangUp: () => server.hangUp({ reset: random.is(0.5) }),
      restart: () => server.restart(),
      freeze: () => {
        server.freeze()
        setTimeout(() => server.thaw(), random.between(0, 10))
      },
    }
    return troubles[random.of(Object.keys(troubles))]()
  }

  /** The figures add up at every moment, and totals never go down. */
  look() {
    const stats = this.pool.stats()
    const { total, idle, inUse, connecting, unusable, waiting, min, max, endpoints, ...totals } =
      stats
    if (idle + inUse + connecting + unusable !== total) this.strange.push({ stats })
    const own = Object.fromEntries(endpoints.map((endpoint) => [endpoint.name, endpoint]))
    for (const [name, figure] of [...numbersIn(totals), ...endpoints.flatMap(ownTotals)]) {
      const before = this.#lastTotals.get(name) ?? 0
      if (figure < before) this.strange.push(`${name} went from ${before} to ${figure}`)
      this.#lastTotals.set(name, figure)
    }
    for (const gauge of ['total', 'idle', 'inUse', 'connecting', 'unusable']) {
      const sum = endpoints.reduce((all, endpoint) => all + endpoint[gauge], 0)
      if (sum !== stats[gauge]) this.strange.push({ gauge, sum, stats: own })
    }
  }
}

/** `[path, value]` of the totals in statistics; percentiles may go either way. */
function numbersIn(figures, path = '') {
  return Object.entries(figures).flatMap(([name, value]) => {
    if (/^p\d\d$/.test(name)) return []
    if (typeof value === 'number') return [[path + name, value]]
    if (typeof value === 'object' && value !== null) return numbersIn(value, `${path}${name}.`)
    return []
  })
}

const ENDPOINT_TOTALS = ['acquired', 'released', 'created', 'commands', 'aborted', 'closed']

function ownTotals(endpoint) {
  const totals = Object.fromEntries(ENDPOINT_TOTALS.map((name) => [name, endpoint[name]]))
  return numbersIn(totals, `${endpoint.name}.`)
}

/** How often each echo came to the servers. */
function arrivals(servers) {
  const came = new Map()
  for (const { command, params } of servers.flatMap((server) => server.stats().commands)) {
    if (command === 'echo') came.set(params.n, (came.get(params.n) ?? 0) + 1)
  }
  return came
}

async function rage(storm, troubled) {
  const { random } = storm
  const running = []
  for (let step = 0; step < STEPS; step++) {
    running.push(storm.call())
    if (random.is(0.15)) storm.order()
    if (troubled && random.is(0.05)) await storm.trouble()
    if (random.is(0.3)) await turn()
    if (random.is(0.1)) {
      await new Promise((resolve) => setTimeout(resolve, random.between(0, 4)))
    }
  }
  return running
}

describe.each(SEEDS)('storm %d', (seed) => {
  test.each([
    ['a close that waits for the end', { calm: true }],
    ['a close in the middle', { close: { timeoutMs: 100 } }],
    ['a close that cuts it in the middle', { close: { force: true } }],
    ['Blenders that break off, stand still and start again', { troubled: true }],
  ])('and %s', async (_how, { calm, close, troubled }) => {
    const servers = await Promise.all([
      simulator({ dialect: 'worker', beatMs: 1, jitterMs: 3, seed }),
      simulator({ dialect: 'worker', beatMs: 0, jitterMs: 1, seed }),
    ])
    const storm = new Storm(seed, servers)
    const { pool: connections, told } = storm
    const running = await rage(storm, troubled)
    if (calm) await Promise.all(running)
    const closing = connections.close(close)
    expect(connections.close()).toBe(closing)
    await Promise.all(running)
    await closing
    await told.has('poolClosed')
    await eventually(() => storm.settled === storm.calls)
    storm.look()

    expect(storm.strange).toEqual([])
    expect(told.faults()).toEqual([])
    await Promise.all(servers.map((server) => server.waitFor(({ open }) => open === 0)))
    const stats = connections.stats()
    expect(stats).toMatchObject({ total: 0, inUse: 0, waiting: 0, raceDetected: 0, desyncs: 0 })

    // What was told of each command is true of the servers.
    const came = arrivals(servers)
    const untrue = [...storm.echoes].filter(([n, { delivered }]) => {
      const times = came.get(n) ?? 0
      if (delivered === 'yes') return times !== 1
      return delivered === 'no' ? times !== 0 : times > 1
    })
    expect(untrue).toEqual([])

    // The figures are those of the events and of the servers.
    expect(stats.created).toBe(told.of('connectionCreated').length)
    for (const [reason, count] of Object.entries(stats.closed)) {
      expect([reason, count]).toEqual([
        reason,
        told.of('connectionClosed').filter((closed) => closed.reason === reason).length,
      ])
    }
    const [connects, received] = [
      servers.reduce((sum, server) => sum + server.stats().connects, 0),
      [...came.values()].reduce((sum, times) => sum + times, 0),
    ]
    // A connect that was called off may never have come.
    expect(connects).toBeLessThanOrEqual(stats.created)
    expect(connects).toBeGreaterThanOrEqual(told.of('connectionReady').length)
    const maybe = [...storm.echoes.values()].filter(({ delivered }) => delivered === 'maybe')
    expect(stats.commands).toBeGreaterThanOrEqual(received)
    expect(stats.commands).toBeLessThanOrEqual(received + maybe.length)
    for (const server of servers) {
      expect(server.stats().peak).toBeLessThanOrEqual(7)
      expect(server.stats().violations).toEqual([])
    }
  })
})
