'use strict'

// Nothing piles up: not memory over many commands, not descriptors, timers, threads or listeners over many
// pools. Counted in a process of its own, which has nothing else to do.

const { runScript } = require('./support/child')
const { record } = require('./support/figures')
const { simulator } = require('./support/stage')

jest.setTimeout(180_000)

const MIB = 1024 * 1024
/** Freed pages that the allocators keep; over 500 000 commands it stays below this all the same. */
const GROWTH = 40 * MIB
/** Of live JavaScript objects, after a collection: 100 bytes for each of 50 000 commands would show. */
const HEAP_GROWTH = 4 * MIB

let address
let server

beforeEach(async () => {
  server = await simulator({ dialect: 'worker', beatMs: 0 })
  address = server.address
})

/** What a process has open; Linux only knows descriptors and threads by name. */
const census = `
  const { existsSync, readdirSync } = require('node:fs')
  const count = (path) => existsSync(path) ? readdirSync(path).length : 0
  const census = () => ({
    descriptors: count('/proc/self/fd'),
    threads: count('/proc/self/task'),
    resources: process.getActiveResourcesInfo().sort().join(),
  })
  const settle = async () => {
    for (let turn = 0; turn < 5; turn++) {
      await new Promise(setImmediate)
      global.gc?.()
    }
  }
`

async function counted(script) {
  const { code, signal, stderr, reports } = await runScript(
    `${census}\n;(async () => {\n${script}\n})()`,
    {
      address,
      limitMs: 150_000,
      flags: ['--expose-gc'],
    },
  )
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  return reports[0]
}

/** Runs `step` in rounds: half as many to warm up, and the memory before and after the rest. */
const rounds = (setUp, step, total, each) => `
  ${setUp}
  const round = async () => {
    await Promise.all(Array.from({ length: ${each} }, (_, at) => (${step})(at)))
  }
  const times = ${total / each}
  for (let at = 0; at < times / 2; at++) await round()
  await settle()
  const before = { rss: process.memoryUsage().rss, heap: process.memoryUsage().heapUsed, ...census() }
  for (let at = 0; at < times; at++) await round()
  await settle()
  const after = { rss: process.memoryUsage().rss, heap: process.memoryUsage().heapUsed, ...census() }
  const { commands, waiting, inUse, total } = pool.stats()
  await pool.close()
  report({ before, after, commands, waiting, inUse, total })`

const open = `const pool = new ConnectionPool({ endpoints: address, dialect: 'worker', drainTimeoutMs: 50 })`

function expectLevel(what, { before, after, waiting, inUse }) {
  record(`${what}: growth of the process`, (after.rss - before.rss) / MIB, 'MiB')
  record(`${what}: growth of the heap`, (after.heap - before.heap) / MIB, 'MiB')
  expect({ waiting, inUse }).toEqual({ waiting: 0, inUse: 0 })
  expect(after.rss - before.rss).toBeLessThan(GROWTH)
  expect(after.heap - before.heap).toBeLessThan(HEAP_GROWTH)
  expect(after.resources).toBe(before.resources)
  expect(after.threads).toBe(before.threads)
  // One for each connection that may be open now and was not then.
  expect(after.descriptors - before.descriptors).toBeLessThanOrEqual(5)
}

test('50 000 commands leave nothing behind', async () => {
  const step = `(at) => pool.execute({ type: 'echo', params: { at } })`
  const result = await counted(rounds(open, step, 50_000, 500))
  expect(result.commands).toBe(75_000)
  expectLevel('50 000 commands', result)
})

test('5 000 commands with one signal leave no listener on it', async () => {
  const setUp = `${open}
    const { signal } = new AbortController()
    const { getEventListeners } = require('node:events')
    process.on('warning', (warning) => { throw warning })`
  const step = `(at) => pool.execute('ping', { signal }).then(() => {
    if (at === 499 && getEventListeners(signal, 'abort').length > 1) throw new Error('a listener for each')
  })`
  const script = rounds(setUp, step, 5_000, 500).replace(
    'report({',
    `if (getEventListeners(signal, 'abort').length > 0) throw new Error('a listener left')\nreport({`,
  )
  expectLevel('5 000 commands with a signal', await counted(script))
})

test('5 000 aborted and timed-out commands leave nothing behind', async () => {
  const step = `async (at) => {
    const controller = new AbortController()
    const options = at % 2 ? { signal: controller.signal } : { timeoutMs: 1 + at % 5 }
    const call = pool.execute({ type: 'sleep', params: { ms: at % 7 } }, options)
    if (at % 4 === 1) controller.abort()
    else if (at % 4 === 3) setTimeout(() => controller.abort(), at % 6)
    await call.catch(() => {})
  }`
  expectLevel('5 000 cut commands', await counted(rounds(open, step, 5_000, 100)))
  await server.waitFor((stats) => stats.open === 0)
})

test('5 000 holders, half of whom discard, leave nothing behind', async () => {
  const step = `async (at) => {
    const connection = await pool.acquire()
    await connection.execute('ping')
    await (at % 2 ? connection.discard() : connection.release())
  }`
  expectLevel('5 000 holders', await counted(rounds(open, step, 5_000, 100)))
})

test('large replies give their memory back', async () => {
  const step = `() => pool.execute({ type: 'big', params: { bytes: 2_000_000 } })`
  expectLevel('200 replies of 2 MB', await counted(rounds(open, step, 200, 4)))
})

test('200 pools that were used and closed leave no handle, thread or descriptor', async () => {
  const { before, after } = await counted(`
    const life = async (at) => {
      const pool = new ConnectionPool({ endpoints: address, dialect: 'worker', drainTimeoutMs: 20 })
      pool.on('connectionReady', () => {})
      if (at % 3) await Promise.all([pool.execute('ping'), pool.execute('ping')])
      if (at % 5 === 0) pool.acquire().catch(() => {})
      await pool.close({ force: at % 2 === 0 })
    }
    for (let at = 0; at < 20; at++) await life(at)
    await settle()
    const before = census()
    await Promise.all(Array.from({ length: 100 }, (_, at) => life(at)))
    for (let at = 0; at < 100; at++) await life(at)
    await settle()
    report({ before, after: census() })
  `)
  expect(after).toEqual(before)
  await server.waitFor((stats) => stats.open === 0)
})

test('a thousand pools that were forgotten, never used and unrefed, hold nothing', async () => {
  const { before, after } = await counted(`
    for (let at = 0; at < 50; at++) new ConnectionPool({ endpoints: address }).unref()
    await settle()
    const before = census()
    for (let at = 0; at < 1000; at++) new ConnectionPool({ endpoints: address }).unref()
    await settle()
    report({ before, after: census() })
  `)
  expect(after).toEqual(before)
})
