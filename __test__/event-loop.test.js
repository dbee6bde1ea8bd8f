'use strict'

// The event loop reads answers itself: what holds while it is busy, what when its thread ends in the middle of
// an answer, and where there is no loop to read.

const { AsyncLocalStorage } = require('node:async_hooks')
const { arena } = require('./support/arena')
const { runScript } = require('./support/child')
const { ThreadBlender } = require('./support/thread-blender')

const { pool, simulator } = arena()

describe('while JavaScript stands still', () => {
  let blender
  beforeEach(async () => {
    blender = await ThreadBlender.start()
  })
  afterEach(() => blender.stop())

  test.each([
    ['short', 10],
    ['long', 300_000],
  ])('commands with %s answers go on, and each gets its own', async (_size, characters) => {
    const connections = pool(blender, { maxConnections: 2 })
    await connections.execute('ping')
    const { answered } = blender
    const calls = Array.from({ length: 60 }, (_, at) =>
      connections.execute({ type: 'echo', params: { at, characters } }),
    )
    expect(blender.standUntilAnswered(answered + calls.length)).toBe(true)

    const results = (await Promise.all(calls)).map(({ result }) => result)
    expect(results.map(({ at }) => at)).toEqual([...calls.keys()])
    expect(results.every(({ filling }) => filling.length === characters)).toBe(true)
  })

  test('a connection that the server closes gets no command any more', async () => {
    const connections = pool(blender, { maxConnections: 1 })
    await connections.execute('ping')
    for (let round = 1; round <= 5; round++) {
      blender.hangUp()
      expect(blender.standUntilGone(round)).toBe(true)
      // Nothing was read on this thread since.
      await expect(connections.execute('ping')).resolves.toMatchObject({ success: true })
      expect(blender.opened).toBe(round + 1)
    }
  })
})

describe('a thread that ends', () => {
  const script = (ending) => `
    const { Worker } = require('node:worker_threads')
    const { once } = require('node:events')
    const { readdirSync, readlinkSync } = require('node:fs')
    const sockets = () => readdirSync('/proc/self/fd').filter((fd) => {
      try { return /^socket/.test(readlinkSync('/proc/self/fd/' + fd)) } catch { return false }
    }).length
    const source = \`
      const { ConnectionPool } = require(\${JSON.stringify(process.cwd())})
      const { parentPort, workerData } = require('node:worker_threads')
      const pool = new ConnectionPool({ endpoints: workerData, dialect: 'worker', maxConnections: 4 })
      ;(async () => {
        await pool.execute('ping')
        for (let at = 0; at < 50; at++) pool.execute({ type: 'echo', params: { at } }).catch(() => {})
        ${ending}
      })()
    \`
    const pool = new ConnectionPool({ endpoints: address, dialect: 'worker', maxConnections: 2 })
    const ask = () => Promise.all(Array.from({ length: 20 }, (_, at) =>
      pool.execute({ type: 'echo', params: { at } }).then(({ result }) => result.at === at)))
    ;(async () => {
      await ask()
      let before = process.platform === 'linux' ? sockets() : 0
      const codes = []
      let right = 0
      for (let round = 0; round < 5; round++) {
        const worker = new Worker(source, { eval: true, workerData: address })
        const exit = once(worker, 'exit')
        worker.on('message', () => worker.terminate())
        const mine = ask()
        codes.push((await exit)[0])
        right += (await mine).filter(Boolean).length + (await ask()).filter(Boolean).length
      }
      // What a thread has left behind is closed by others, some time soon.
      while (process.platform === 'linux' && sockets() > before) await new Promise(setImmediate)
      await pool.close()
      report({ codes, right })
    })()`

  test.each([
    ['exits with commands under way', `process.exit(7)`, 7],
    ['exits as an answer comes', `pool.execute('ping').then(() => process.exit(7))`, 7],
    ['exits in a listener', `pool.on('connectionClosed', () => process.exit(7)); pool.close()`, 7],
    ['lets go of a pool that it never closed', `pool.unref()`, 0],
    ['is ended by force', `parentPort.postMessage('now')`, 1],
    [
      'is ended by force in the middle of an answer',
      `await pool.execute('ping'); parentPort.postMessage('now'); for (;;);`,
      1,
    ],
  ])('and %s leaves nothing behind, and no other pool notices', async (_what, ending, code) => {
    const server = await simulator({ dialect: 'worker' })
    const ended = await runScript(script(ending), { address: server.address })
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(ended.reports).toEqual([{ codes: Array(5).fill(code), right: 5 * 40 }])
    await server.waitFor((stats) => stats.open === 0)
  })
})

describe('what a caller does with an answer', () => {
  test('knows in which context it was asked for', async () => {
    const server = await simulator({ dialect: 'worker' })
    const connections = pool(server, { maxConnections: 2 })
    const storage = new AsyncLocalStorage()
    const asked = Array.from({ length: 20 }, (_, at) =>
      storage.run(at, async () => {
        await connections.execute('ping')
        const first = storage.getStore()
        const second = await connections.use(async (connection) => {
          await connection.execute('ping')
          return storage.getStore()
        })
        return [first, second]
      }),
    )
    expect(await Promise.all(asked)).toEqual(asked.map((_, at) => [at, at]))
    expect(storage.getStore()).toBeUndefined()
  })

  const throwing = (use) => `
    const pool = new ConnectionPool({ endpoints: address, dialect: 'worker', maxConnections: 2 })
    const thrown = []
    ${use}
    ;(async () => {
      await pool.execute('ping')
      const all = Array.from({ length: 20 }, (_, at) => {
        const asked = pool.execute({ type: 'echo', params: { at } })
        asked.then(() => process.nextTick(() => { throw new Error('mine') }))
        return asked
      })
      const answers = await Promise.all(all)
      await new Promise(setImmediate)
      await pool.execute('ping')
      await pool.close()
      report({ answers: answers.length, thrown: thrown.length })
    })()`

  test('may throw, and takes no other answer along when somebody catches it', async () => {
    const server = await simulator({ dialect: 'worker' })
    const caught = `
      process.removeAllListeners('uncaughtException')
      process.on('uncaughtException', (error) => thrown.push(error))`
    const ended = await runScript(throwing(caught), { address: server.address })
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(ended.reports).toEqual([{ answers: 20, thrown: 20 }])
  })

  test('ends the process when it throws and nobody catches it', async () => {
    const server = await simulator({ dialect: 'worker' })
    const uncaught = `process.removeAllListeners('uncaughtException')`
    const ended = await runScript(throwing(uncaught), { address: server.address })
    expect(ended).toMatchObject({ code: 1, signal: null, reports: [] })
    expect(ended.stderr).toMatch(/Error: mine/)
  })
})

/** A pool's whole life. */
const life = `
  const pool = new ConnectionPool({ endpoints: address, dialect: 'worker', maxConnections: 2 })
  ;(async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) =>
      pool.execute({ type: 'echo', params: { at, filling: 'x'.repeat(at * 4_000) } })))
    const held = await pool.use((connection) => connection.execute('ping'))
    const late = await pool.execute({ type: 'sleep', params: { ms: 200 } }, { timeoutMs: 20 }).catch(({ code }) => code)
    const after = await pool.execute('ping')
    await pool.close()
    report({
      right: answers.filter(({ result }, at) => result.at === at).length,
      late, held: held.success, after: after.success,
    })
  })()`
const lived = { right: 50, late: 'ERR_POOL_COMMAND_TIMEOUT', held: true, after: true }

test.each([
  'bun',
  'deno',
])('where libuv is but a name, as in %s, all works too', async (runtime) => {
  const server = await simulator({ dialect: 'worker' })
  // The package is loaded once more, by a process that says that it is another.
  const disguised = `
    Object.defineProperty(process.versions, '${runtime}', { value: '1' })
    for (const path of Object.keys(require.cache)) delete require.cache[path]
    {
      const { ConnectionPool } = require(process.cwd())
      ${life}
    }`
  const ended = await runScript(disguised, { address: server.address })
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(ended.reports).toMatchObject([lived])
})

test('two copies of the package in one thread each read their own answers', async () => {
  const server = await simulator({ dialect: 'worker' })
  const both = `
    {
      ${life}
    }
    for (const path of Object.keys(require.cache)) delete require.cache[path]
    {
      const { ConnectionPool } = require(process.cwd())
      ${life}
    }`
  const ended = await runScript(both, { address: server.address })
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(ended.reports).toMatchObject([lived, lived])
})
