'use strict'

// Idle slots are lent and taken back in JavaScript where they can be, and by native code where they must be.
// Nobody can tell which: the order, the figures and the limits are the same, however callers come and go. What
// must be true is kept here beside the pool, and chance, which can be played again, decides what happens.

const { ConnectionPool } = require('..')
const { eventually, turn } = require('./support/arena')
const { runScript } = require('./support/child')
const { faultOf } = require('./support/fault')
const { Random } = require('./support/random')
const { afterwards, simulator } = require('./support/stage')
const { workshop } = require('./support/workshop')

const STILL = { idleTimeoutMs: 0, maxLifetimeMs: 0 }

/** A pool that has opened all it may, none of which is ever validated or replaced. */
async function fullPool(max, options = {}) {
  const shop = workshop()
  const pool = shop.open({
    ...STILL,
    maxConnections: max,
    minConnections: max,
    maxConnecting: max,
    ...options,
  })
  await pool.warm()
  expect(pool.stats()).toMatchObject({ idle: max, total: max })
  return { shop, pool }
}

/** What its callers know of a pool that nothing happens to but what they do. */
class Book {
  calls = 0
  held = []
  /** Calls that wait, each with whatever turns it away. */
  waiting = new Map()
  gone = 0
  released = 0
  /** Plain callers in the order in which they were served, turn by turn: those of one turn hear of it at one time. */
  told = [[]]

  constructor(pool, max) {
    this.pool = pool
    this.max = max
  }

  /** @param {object} [options] @param {AbortController} [controller] */
  ask(options, controller) {
    const number = ++this.calls
    this.waiting.set(number, controller)
    const asked = options === undefined ? this.pool.acquire() : this.pool.acquire(options)
    return asked.then(
      (lease) => {
        // It had been served when it turned away.
        if (!this.waiting.delete(number)) this.gone--
        expect(this.held.map(({ resource }) => resource)).not.toContain(lease.resource)
        this.held.push(lease)
        if (options === undefined) this.told.at(-1).push(number)
      },
      (error) => {
        expect(error).toBe(controller?.signal.reason)
        expect(this.waiting.delete(number)).toBe(false)
      },
    )
  }

  async turn() {
    await turn()
    this.told.push([])
  }

  turnAway(number) {
    const controller = this.waiting.get(number)
    this.waiting.delete(number)
    this.gone++
    controller.abort()
  }

  async giveBack(at) {
    const [lease] = this.held.splice(at, 1)
    this.released++
    await lease.release()
  }

  /** Those who turned away a moment before they were told: each has had a slot, and gives it back a moment later. */
  get late() {
    return this.gone - this.pool.stats().aborted
  }

  /** The pool's figures, at this very moment. */
  check() {
    const { acquired, released, inUse, idle, waiting, raceDetected } = this.pool.stats()
    const { late } = this
    const wanted = this.held.length + this.waiting.size
    expect(inUse + waiting).toBeGreaterThanOrEqual(wanted)
    expect(inUse + waiting).toBeLessThanOrEqual(wanted + late)
    expect(inUse).toBe(Math.min(this.max, inUse + waiting))
    expect(idle).toBe(this.max - inUse)
    expect(raceDetected).toBe(0)
    expect(acquired - released).toBe(inUse)
    expect(released).toBeGreaterThanOrEqual(this.released)
    expect(released).toBeLessThanOrEqual(this.released + late)
  }
}

describe('whoever comes, and however', () => {
  test('callers who waited in different places hear in the order in which they came', async () => {
    const { pool } = await fullPool(3)
    const held = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    const told = []
    const asks = [undefined, { timeoutMs: 60_000 }, undefined].map(async (options, n) => {
      const lease = await pool.acquire(options)
      told.push(n)
      await lease.release()
    })
    for (const lease of held) await lease.release()
    await Promise.all(asks)
    expect(told).toEqual([0, 1, 2])
  })

  test.each([
    1, 2, 3, 4, 5, 6,
  ])('all are served once, plain callers in the order in which they came, and the figures are right at every moment (seed %i)', async (seed) => {
    const random = new Random(seed)
    const max = random.between(1, 5)
    const { pool } = await fullPool(max)
    const book = new Book(pool, max)
    const all = []
    for (let step = 0; step < 3_000; step++) {
      const busy = book.waiting.size
      switch (random.between(0, 11)) {
        case 0:
        case 1:
        case 2:
        case 3:
          if (busy < 40) all.push(book.ask())
          break
        case 4:
          if (busy < 40 && random.is(0.3)) {
            all.push(book.ask({ priority: random.between(-3, 3) }))
          }
          break
        case 5:
          if (busy < 40 && random.is(0.3)) all.push(book.ask({ timeoutMs: 60_000 }))
          break
        case 6: {
          const controller = new AbortController()
          if (seed % 2 === 0 && busy < 40 && random.is(0.3)) {
            all.push(book.ask({ signal: controller.signal }, controller))
          }
          break
        }
        case 7: {
          const may = [...book.waiting].filter(([, controller]) => controller !== undefined)
          if (may.length > 0 && random.is(0.5)) book.turnAway(random.of(may)[0])
          break
        }
        case 8: {
          const lease = pool.tryAcquire()
          if (lease !== null) expect(book.held.length + busy).toBeLessThan(max)
          else expect(book.held.length + busy + book.late).toBeGreaterThanOrEqual(max)
          if (lease !== null) book.held.push(lease)
          break
        }
        case 9:
          if (random.is(0.2)) book.check()
          break
        case 10:
          await book.turn()
          break
        default: {
          let count = random.between(0, book.held.length)
          while (count-- > 0) {
            const given = book.giveBack(random.between(0, book.held.length - 1))
            if (random.is(0.5)) await given
          }
        }
      }
    }
    while (book.waiting.size > 0 || book.held.length > 0) {
      if (book.held.length > 0) await book.giveBack(0)
      else await book.turn()
    }
    await Promise.all(all)
    book.check()
    const told = book.told.flatMap((numbers) => numbers.sort((a, b) => a - b))
    expect(told).toEqual([...told].sort((a, b) => a - b))
    const { acquired, released, aborted } = pool.stats()
    expect(acquired).toBe(released)
    expect(acquired).toBe(book.released + book.gone - aborted)
  })
})

describe('which idle slot is lent', () => {
  test.each([
    ['lifo', 'the last that came back'],
    ['fifo', 'the one that came back first'],
  ])('%s: %s, whoever listens meanwhile', async (idleOrder) => {
    const max = 20
    const { pool } = await fullPool(max, { idleOrder })
    const random = new Random(7)
    const held = []
    const listener = () => {}
    for (let count = 0; count < max; count++) held.push(pool.tryAcquire())
    const idle = []
    for (let step = 0; step < 2_000; step++) {
      // While somebody listens, each goes by way of native code.
      if (random.is(0.1)) pool.on('connectionCheckedIn', listener)
      if (random.is(0.1)) pool.removeAllListeners('connectionCheckedIn')
      if (random.is(0.02)) await turn()
      if (held.length > 0 && random.is(0.5)) {
        const [lease] = held.splice(random.between(0, held.length - 1), 1)
        idle.push(lease.id)
        await lease.release()
      } else if (idle.length > 0) {
        const lease = pool.tryAcquire()
        expect(lease.id).toBe(idleOrder === 'lifo' ? idle.pop() : idle.shift())
        held.push(lease)
      } else expect(pool.tryAcquire()).toBeNull()
    }
    pool.removeAllListeners('connectionCheckedIn')
    expect(pool.stats()).toMatchObject({ idle: idle.length, inUse: held.length })
    for (const lease of held) await lease.release()
  })
})

describe('how often one is used', () => {
  test('maxUses is what one is lent, and each holder is told how often it was lent before', async () => {
    const shop = workshop()
    const pool = shop.open({ ...STILL, maxConnections: 1, maxUses: 3 })
    const told = []
    for (let n = 0; n < 30; n++) {
      const lease = await pool.acquire()
      told.push([lease.resource.number, lease.useCount])
      await lease.release()
    }
    expect(told).toEqual(Array.from({ length: 30 }, (_, n) => [Math.floor(n / 3) + 1, n % 3]))
  })

  test('passed from hand to hand as well', async () => {
    const shop = workshop()
    const pool = shop.open({ ...STILL, maxConnections: 1, maxUses: 4 })
    const told = []
    const uses = Array.from({ length: 40 }, () =>
      pool.use((lease) => {
        told.push([lease.resource.number, lease.useCount])
      }),
    )
    await Promise.all(uses)
    expect(told).toEqual(Array.from({ length: 40 }, (_, n) => [Math.floor(n / 4) + 1, n % 4]))
    expect(pool.stats()).toMatchObject({ acquired: 40, released: 40 })
  })

  test('the figures of each resource count every use', async () => {
    const { pool } = await fullPool(2)
    for (let n = 0; n < 7; n++) await pool.use(() => {})
    const calls = Array.from({ length: 9 }, () => pool.use(() => {}))
    await Promise.all(calls)
    const uses = pool.resources().map(({ useCount }) => useCount)
    expect(uses[0] + uses[1]).toBe(16)
    expect(pool.stats().useMs.count).toBe(16)
    expect(pool.stats().waitMs.count).toBe(16)
  })
})

describe('given back twice', () => {
  test('after it was passed on: refused, and whoever has it now keeps it', async () => {
    const { pool } = await fullPool(1)
    const first = await pool.acquire()
    const next = pool.acquire()
    await first.release()
    const second = await next
    expect(second.id).toBe(first.id)
    for (const again of [() => first.release(), () => first.discard(), () => pool.release(first)]) {
      await faultOf(again, { code: 'ERR_POOL_NOT_HELD', connectionId: first.id })
    }
    expect(second.inUse).toBe(true)
    expect(pool.tryAcquire()).toBeNull()
    await second.release()
    expect(pool.stats()).toMatchObject({ acquired: 2, released: 2, idle: 1 })
  })
})

describe('those who wait while everything is in use', () => {
  /** Three in use, and as many who wait. */
  async function busy(options) {
    const { shop, pool } = await fullPool(3, options)
    const held = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    const waiting = [1, 2, 3].map(() => pool.acquire())
    expect(pool.stats()).toMatchObject({ inUse: 3 })
    const more = [1, 2, 3].map(() => pool.acquire())
    return { shop, pool, held, waiting: [...waiting, ...more] }
  }

  test('are refused by pause(), and what is given back is idle', async () => {
    const { pool, held, waiting } = await busy()
    pool.pause()
    for (const call of waiting) await faultOf(call, { code: 'ERR_POOL_CLEARED' })
    for (const lease of held) await lease.release()
    expect(pool.stats()).toMatchObject({ idle: 3, waiting: 0, acquired: 3, released: 3 })
    pool.ready()
    await pool.use(() => {})
  })

  test('are refused by clear(), after which nothing that stood before is lent', async () => {
    const { shop, pool, held, waiting } = await busy()
    const before = shop.made.slice()
    pool.clear()
    for (const call of waiting) await faultOf(call, { code: 'ERR_POOL_CLEARED' })
    for (const lease of held) await lease.release()
    pool.ready()
    for (let n = 0; n < 9; n++) {
      await pool.use(({ resource }) => expect(before).not.toContain(resource))
    }
  })

  test('are refused by close(), which waits for the holders', async () => {
    const { pool, held, waiting } = await busy()
    const closed = pool.close({ timeoutMs: 60_000 })
    for (const call of waiting) await faultOf(call, { code: 'ERR_POOL_CLOSED' })
    for (const lease of held) await lease.release()
    await closed
    expect(pool.stats()).toMatchObject({ total: 0, acquired: 3, released: 3 })
    await faultOf(pool.acquire(), { code: 'ERR_POOL_CLOSED' })
  })

  test('get what resize() allows to be made, in their order', async () => {
    const { pool, held, waiting } = await busy()
    pool.resize({ maxConnections: 5 })
    const [one, two] = await Promise.all(waiting.slice(0, 2))
    expect(pool.stats()).toMatchObject({ inUse: 5, waiting: 4, total: 5 })
    pool.resize({ minConnections: 1, maxConnections: 1 })
    for (const lease of [...held, one, two]) await lease.release()
    for (const call of waiting.slice(2)) await (await call).release()
    await eventually(() => pool.stats().total === 1)
    expect(pool.stats()).toMatchObject({ acquired: 9, released: 9, idle: 1, waiting: 0 })
  })

  test('are told what happened when their time is over, wherever they waited', async () => {
    const { pool, held, waiting } = await busy({ acquireTimeoutMs: 120 })
    const native = pool.acquire({ priority: -1 })
    const errors = await Promise.all(
      [...waiting, native].map((call) => faultOf(call, { code: 'ERR_POOL_ACQUIRE_TIMEOUT' })),
    )
    const [{ message, details, delivered, retryable }] = errors
    for (const error of errors) {
      expect(error).toMatchObject({ delivered, retryable })
      expect(Object.keys(error.details ?? {})).toEqual(Object.keys(details ?? {}))
      expect(error.message.replace(/\d+/g, 'N')).toBe(message.replace(/\d+/g, 'N'))
    }
    expect(message).toMatch(/120 ms/)
    expect(pool.stats()).toMatchObject({ timeouts: 7, waiting: 0, inUse: 3 })
    for (const lease of held) await lease.release()
  })

  test('are no more than maxWaiting', async () => {
    const { pool, held, waiting } = await busy({ maxWaiting: 6 })
    await faultOf(pool.acquire(), { code: 'ERR_POOL_QUEUE_FULL' })
    await faultOf(pool.acquire({ priority: 1 }), { code: 'ERR_POOL_QUEUE_FULL' })
    for (const lease of held) await lease.release()
    for (const call of waiting) await (await call).release()
    expect(pool.stats()).toMatchObject({ acquired: 9, released: 9 })
  })

  test('are no more than maxWaiting, though nobody has asked native code since all was lent', async () => {
    const { pool } = await fullPool(1, { maxWaiting: 2 })
    const held = await pool.acquire()
    const waiting = [pool.acquire(), pool.acquire()]
    const refused = []
    pool.acquire().catch((error) => refused.push(error.code))
    await turn()
    expect(refused).toEqual(['ERR_POOL_QUEUE_FULL'])
    await held.release()
    for (const call of waiting) await (await call).release()
    expect(pool.stats()).toMatchObject({ acquired: 3, released: 3, waiting: 0 })
  })

  test('get a new one for what its holder discards', async () => {
    const { shop, pool, held, waiting } = await busy()
    for (const lease of held) await lease.discard()
    for (const call of waiting) await (await call).release()
    expect(shop.made).toHaveLength(6)
    expect(pool.stats()).toMatchObject({ acquired: 9, released: 9, waiting: 0 })
  })
})

test('who listens hears of each that goes and comes while it listens', async () => {
  const { pool } = await fullPool(2)
  const random = new Random(11)
  for (let round = 0; round < 40; round++) {
    for (let n = random.between(0, 3); n > 0; n--) await pool.use(() => {})
    const heard = { connectionCheckedOut: 0, connectionCheckedIn: 0 }
    for (const name of Object.keys(heard)) {
      pool.on(name, () => {
        heard[name]++
      })
    }
    const count = random.between(1, 6)
    const together = random.is(0.5)
    const uses = []
    for (let n = 0; n < count; n++) {
      const use = pool.use(() => {})
      uses.push(use)
      if (!together) await use
    }
    await Promise.all(uses)
    await eventually(() => heard.connectionCheckedIn >= count)
    await turn()
    expect(heard).toEqual({ connectionCheckedOut: count, connectionCheckedIn: count })
    for (const name of Object.keys(heard)) pool.removeAllListeners(name)
  }
})

describe('a process', () => {
  const setUp = `
    const { ResourcePool } = require('.')
    const pool = new ResourcePool({ create: async () => ({}), maxConnections: 1, healthCheckIntervalMs: 0 })
    const turn = () => new Promise(setImmediate)
  `
  async function reports(script, settings) {
    const ended = await runScript(`${setUp};(async () => { ${script} })()`, settings)
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
    return ended.reports
  }

  test('lives while somebody waits for what another holds, and ends by itself when nobody does', async () => {
    const told = await reports(`
      pool.unref()
      const held = await pool.acquire()
      pool.acquire().then((lease) => {
        report({ served: lease.id })
        lease.release()
      })
      setTimeout(() => held.release(), 300).unref()
    `)
    expect(told).toEqual([{ served: 1 }])
  })

  test('ends while somebody holds and nobody waits any more', async () => {
    const told = await reports(`
      pool.unref()
      const first = await pool.acquire()
      const next = pool.acquire()
      await turn()
      await first.release()
      const second = await next
      report({ inUse: second.inUse, waiting: pool.stats().waiting })
    `)
    expect(told).toEqual([{ inUse: true, waiting: 0 }])
  })

  test('whose holder forgets what it took: the next who waits gets it', async () => {
    const [told] = await reports(
      `
      await pool.use(() => {})
      await (async () => { await pool.acquire() })()
      let served = false
      pool.acquire().then(async (lease) => { served = true; await lease.release() })
      while (!served) { await turn(); global.gc() }
      const { acquired, released, reclaimed, idle } = pool.stats()
      await pool.close()
      report({ acquired, released, reclaimed, idle })
      `,
      { flags: ['--expose-gc'] },
    )
    expect(told).toEqual({ acquired: 3, released: 3, reclaimed: 1, idle: 1 })
  })

  test('with pools in several threads: each has its own, and a thread that is stopped takes no other with it', async () => {
    const told = await reports(`
      const { Worker } = require('node:worker_threads')
      const work = async (pool, port, endless) => {
        let n = 0
        const one = async () => {
          do await pool.use(() => { n++ }); while (endless || n < 2_000)
        }
        const all = Promise.all([one(), one(), one()])
        if (endless) { port.postMessage('begun') }
        await all
        const { acquired, released, raceDetected } = pool.stats()
        port.postMessage({ same: acquired === n && released === n, raceDetected })
        await pool.close()
      }
      const source = (endless) => \`
        const { ResourcePool } = require(\${JSON.stringify(process.cwd())})
        const pool = new ResourcePool({ create: async () => ({}), maxConnections: 2 })
        ;(\${work})(pool, require('node:worker_threads').parentPort, \${endless})
      \`
      const once = (worker, name) => new Promise((resolve) => worker.once(name, resolve))
      const workers = [false, false, true].map((endless) => new Worker(source(endless), { eval: true }))
      const first = workers.map((worker) => once(worker, 'message'))
      const ends = workers.map((worker) => once(worker, 'exit'))
      await first[2]
      await workers[2].terminate()
      report(await first[0])
      report(await first[1])
      await Promise.all(ends)
      await pool.use(() => {})
      await pool.close()
    `)
    expect(told).toEqual([
      { same: true, raceDetected: 0 },
      { same: true, raceDetected: 0 },
    ])
  })
})

test('a connection that dies in its holder’s hand goes to nobody: those who wait get a new one', async () => {
  const server = await simulator({ dialect: 'worker', beatMs: 0 })
  const pool = new ConnectionPool({
    endpoints: server.address,
    dialect: 'worker',
    maxConnections: 1,
    healthCheckIntervalMs: 0,
  })
  afterwards(() => pool.close({ force: true }))
  await pool.use(() => {})
  const held = await pool.acquire()
  const waiting = [1, 2, 3].map(() => pool.acquire())
  server.hangUp()
  const ids = []
  for (const call of waiting) {
    const next = await call
    ids.push(next.id)
    await next.release()
  }
  expect(new Set(ids).size).toBe(1)
  expect(ids).not.toContain(held.id)
  // To let go of what was lost is no error, and gives nobody else's connection back.
  const mine = await pool.acquire()
  await held.release()
  expect(mine.inUse).toBe(true)
  expect(pool.tryAcquire()).toBeNull()
  await mine.release()
  expect(pool.stats()).toMatchObject({ inUse: 0, waiting: 0, idle: 1, raceDetected: 0 })
})

test.each([
  [60],
  [300],
])("the error after %i ms names the caller's own line", async (acquireTimeoutMs) => {
  const { pool } = await fullPool(1, { acquireTimeoutMs })
  const held = await pool.acquire()
  async function caller() {
    return await pool.acquire()
  }
  const error = await faultOf(caller(), { code: 'ERR_POOL_ACQUIRE_TIMEOUT' })
  expect(error.stack).toMatch(/at (async )?caller /)
  await held.release()
})
