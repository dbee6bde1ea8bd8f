'use strict'

// A connection that its holder forgets: once it is garbage collected, its slot is back in the pool. Run in
// a process that can be told to collect.

const { runScript } = require('./support/child')
const { simulator } = require('./support/stage')

let address

beforeEach(async () => {
  ;({ address } = await simulator({ dialect: 'worker', beatMs: 0 }))
})

async function collected(script) {
  const ended = await runScript(
    `
    const turn = () => new Promise(setImmediate)
    const collect = async (done) => {
      do {
        await turn()
        global.gc()
      } while (!done())
    }
    const open = (options) => new ConnectionPool({ endpoints: address, dialect: 'worker', ...options })
    ;(async () => {
      ${script}
    })()`,
    { address, flags: ['--expose-gc'] },
  )
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  return ended.reports[0]
}

test('a forgotten connection is told of and goes to the next who waits', async () => {
  const { lost, id, stats } = await collected(`
    const pool = open({ maxConnections: 1 })
    const lost = []
    pool.on('leaseLost', (event) => lost.push(event))
    await (async () => { await pool.acquire() })()
    const waiting = pool.acquire()
    await collect(() => lost.length > 0)
    const { id } = await waiting
    const stats = pool.stats()
    await pool.close({ force: true })
    report({ lost, id, stats })
  `)
  expect(lost).toEqual([{ connectionId: 1, endpoint: address, heldMs: expect.any(Number) }])
  expect(id).toBe(1)
  expect(stats).toMatchObject({ reclaimed: 1, inUse: 1, acquired: 2, released: 1 })
})

test('one that was got by tryAcquire as well, and with leakThresholdMs its stack is told', async () => {
  const { lost } = await collected(`
    const pool = open({ leakThresholdMs: 60_000 })
    const lost = []
    pool.on('leaseLost', (event) => lost.push(event))
    await pool.execute('ping')
    function forgetful() { pool.tryAcquire() }
    forgetful()
    await collect(() => lost.length > 0)
    await pool.close()
    report({ lost })
  `)
  expect(lost[0].stack).toMatch(/^ +at forgetful/)
  expect(lost[0]).not.toHaveProperty('slot')
})

test('what is held, what was given back and what use() holds is never reclaimed', async () => {
  const { reclaimed, inUse } = await collected(`
    const pool = open({ maxConnections: 3 })
    const held = await pool.acquire()
    let end
    const used = pool.use(() => new Promise((resolve) => { end = resolve }))
    for (let at = 0; at < 100; at++) {
      const short = await pool.acquire()
      if (at % 2) await turn()
      await short.release()
    }
    let turns = 0
    await collect(() => ++turns > 20)
    const { reclaimed, inUse } = pool.stats()
    await held.release()
    end()
    await used
    await pool.close()
    report({ reclaimed, inUse })
  `)
  expect({ reclaimed, inUse }).toEqual({ reclaimed: 0, inUse: 2 })
})

test('thousands of forgotten connections leave nothing behind', async () => {
  const { reclaimed, grown } = await collected(`
    const pool = open({ maxConnections: 50, maxUses: 4e9, leakThresholdMs: 60_000 })
    const forget = async () => { await pool.acquire() }
    const round = async (times) => {
      for (let at = 0; at < times; at++) {
        await Promise.all(Array.from({ length: 50 }, forget))
        await collect(() => pool.stats().inUse === 0)
      }
    }
    await round(5)
    const before = process.memoryUsage().heapUsed
    await round(20)
    const grown = process.memoryUsage().heapUsed - before
    const { reclaimed } = pool.stats()
    await pool.close()
    report({ reclaimed, grown })
  `)
  expect(reclaimed).toBe(1250)
  expect(grown).toBeLessThan(1_000_000)
})

test('what is given back within its turn is never registered', async () => {
  const { unwatch, watch } = require('../lib/garbage')
  const registered = jest.spyOn(FinalizationRegistry.prototype, 'register')
  const unregistered = jest.spyOn(FinalizationRegistry.prototype, 'unregister')
  try {
    const leases = [0, 1, 2, 3].map(() => ({ fresh: -1 }))
    for (const lease of leases) watch({}, lease)
    for (const at of [1, 3]) unwatch(leases[at])
    await new Promise(setImmediate)
    expect(registered.mock.calls.map(([, lease]) => leases.indexOf(lease)).sort()).toEqual([0, 2])
    for (const lease of leases) unwatch(lease)
    expect(unregistered).toHaveBeenCalledTimes(2)
  } finally {
    registered.mockRestore()
    unregistered.mockRestore()
  }
})

test('holders that pass from one connection to the next, and their stacks, do not chain up', async () => {
  const { grown } = await collected(`
    const pool = open({ maxConnections: 2, maxUses: 4e9, leakThresholdMs: 60_000 })
    const pass = async (times) => {
      let held = await pool.acquire()
      for (let at = 0; at < times; at++) {
        const next = await pool.acquire()
        // Not awaited: the next acquire is asked for by the holder of this one.
        held.release()
        held = next
      }
      await turn()
      global.gc()
      const used = process.memoryUsage().heapUsed
      // Only now, so that all that the last one leads to was there.
      await held.release()
      return used
    }
    const before = await pass(2_000)
    const grown = (await pass(20_000)) - before
    await pool.close()
    report({ grown })
  `)
  expect(grown).toBeLessThan(1_000_000)
})

test('contexts that outlive their holders do not chain up', async () => {
  const { grown } = await collected(`
    const pool = open({ maxConnections: 2, maxUses: 4e9 })
    const endless = async (times) => {
      for (let at = 0; at < times; at++) {
        // Each work starts in the context of the one before, and that one ends.
        await new Promise((next) => {
          pool.use(async () => { setImmediate(next) })
        })
      }
    }
    const chain = (left) => new Promise((end) => {
      const step = (n) => pool.use(async () => {
        if (n === 0) end()
        else setImmediate(step, n - 1)
      })
      step(left)
    })
    await endless(2_000)
    await chain(2_000)
    await turn()
    global.gc()
    const before = process.memoryUsage().heapUsed
    await endless(5_000)
    await chain(20_000)
    await turn()
    global.gc()
    const grown = process.memoryUsage().heapUsed - before
    await pool.close()
    report({ grown })
  `)
  expect(grown).toBeLessThan(1_000_000)
})
