'use strict'

// What a pool does to the process it lives in, in the cases that go beyond an orderly end: how soon it
// lets go, what holds it, and that no listener, no exit and no thread takes the process down.

const { runModule, runScript } = require('./support/child')
const { record } = require('./support/figures')
const { simulator } = require('./support/stage')

/** Measured 1 to 5 ms; a busy machine may need longer, a forgotten timer needs seconds. */
const LINGER_MS = 1_000

let server
let address

beforeEach(async () => {
  server = await simulator({ dialect: 'worker' })
  address = server.address
})

const open = `const pool = new ConnectionPool({ endpoints: address, dialect: 'worker' })`

async function expectClean(running) {
  const ended = await running
  expect(ended).toMatchObject({ signal: null, stderr: '', code: 0 })
  return ended.reports
}

describe('a process ends by itself', () => {
  const lingering = `
    const closedAt = performance.now()
    process.on('exit', () => report({ lingeredMs: performance.now() - closedAt }))`

  test.each([
    ['was used', `await Promise.all(Array.from({ length: 50 }, () => pool.execute('ping')))`],
    ['was never used', ''],
    ['was unrefed and refed again', `pool.unref(); await pool.execute('ping'); pool.ref()`],
    ['held connections', `await pool.acquire(); await pool.acquire()`],
    ['had lost its server', `await pool.execute('quit').catch(() => {})`],
    ['could not connect', `pool.execute('ping', { timeoutMs: 20 }).catch(() => {})`],
  ])('once its pool is closed, which %s', async (_what, use) => {
    const [{ lingeredMs }] = await expectClean(
      runScript(
        `(async () => { ${open}; ${use}; await pool.close({ timeoutMs: 20 }); ${lingering} })()`,
        { address },
      ),
    )
    record('exit after close()', lingeredMs)
    expect(lingeredMs).toBeLessThan(LINGER_MS)
  })

  test('with a pool nobody ever asked for anything, unrefed', async () => {
    await expectClean(runScript(`${open}; pool.unref()`, { address }))
  })

  test('with an unrefed pool whose connections are open and idle', async () => {
    const reports = await expectClean(
      runScript(
        `${open}; pool.unref()
        Promise.all(Array.from({ length: 20 }, () => pool.execute('ping'))).then((replies) => {
          report({ replies: replies.length, idle: pool.stats().idle })
        })`,
        { address },
      ),
    )
    expect(reports[0].replies).toBe(20)
    expect(reports[0].idle).toBeGreaterThan(0)
    await server.waitFor((stats) => stats.open === 0)
  })

  test('with an unrefed pool that some code forgot to release a connection to', async () => {
    await expectClean(runScript(`${open}; pool.unref(); pool.acquire()`, { address }))
  })
})

describe('a process is held', () => {
  /** Still there when the server says so, which is long after an idle process would have ended. */
  const limitMs = 1_500

  test('by an open idle pool', async () => {
    const ended = await runScript(`${open}; pool.execute('ping')`, { address, limitMs })
    expect(ended).toMatchObject({ signal: 'SIGKILL', stderr: '' })
  })

  test('by a pool that was unrefed and refed', async () => {
    const ended = await runScript(`${open}; pool.unref(); pool.ref()`, { address, limitMs })
    expect(ended).toMatchObject({ signal: 'SIGKILL', stderr: '' })
  })

  test.each([
    ['command', `pool.execute({ type: 'sleep', params: { ms: 300 } })`],
    ['command that waits', `pool.use(() => pool.execute({ type: 'sleep', params: { ms: 300 } }))`],
    [
      'command on a held connection',
      `pool.use((connection) => connection.execute({ type: 'sleep', params: { ms: 300 } }))`,
    ],
  ])('by a pending %s, though its pool is unrefed', async (_what, call) => {
    const reports = await expectClean(
      runScript(
        `${open}; pool.unref(); ${call}.then((reply) => report({ slept: reply.result.slept }))`,
        { address },
      ),
    )
    expect(reports).toEqual([{ slept: 300 }])
  })

  test('by a pending acquire, until it fails', async () => {
    const reports = await expectClean(
      runScript(
        `const pool = new ConnectionPool({
          endpoints: address, dialect: 'worker', maxConnections: 1 })
        pool.unref()
        pool.acquire().then(() => pool.acquire({ timeoutMs: 300 })).catch(({ code }) => report({ code }))`,
        { address },
      ),
    )
    expect(reports).toEqual([{ code: 'ERR_POOL_ACQUIRE_TIMEOUT' }])
  })
})

describe('process.exit()', () => {
  test.each([
    ['in the middle of commands', `setImmediate(() => process.exit(3))`],
    ['in a reply', `pool.execute('ping').then(() => process.exit(3))`],
    ['in a listener', `pool.on('connectionReady', () => process.exit(3))`],
    [
      'while it closes',
      `setImmediate(() => { pool.close(); setImmediate(() => process.exit(3)) })`,
    ],
  ])('%s ends it with its own code and nothing else', async (_when, exit) => {
    const ended = await runScript(
      `${open}; ${exit}; for (let at = 0; at < 500; at++) pool.execute('get_scene_info').catch(() => {})`,
      { address },
    )
    expect(ended).toMatchObject({ code: 3, signal: null, stderr: '' })
    await server.waitFor((stats) => stats.open === 0)
  })
})

describe('a listener', () => {
  const EVENTS = [
    'poolCreated',
    'connectionCreated',
    'connectionReady',
    'connectionClosed',
    'poolClosed',
  ]

  test.each([
    ['throws', `() => { throw new Error('mine: ' + name) }`],
    ['returns a rejected promise', `async () => { throw new Error('mine: ' + name) }`],
    ['throws nothing at all', `() => { throw undefined }`],
    [
      'rejects with an object that cannot be shown',
      `async () => { throw { get stack() { throw 1 }, [Symbol.for('nodejs.util.inspect.custom')]() { throw 2 } } }`,
    ],
  ])('that %s is only a process warning', async (_what, listener) => {
    const ended = await runScript(
      `
      const warnings = []
      process.on('warning', ({ name }) => warnings.push(name))
      ${open}
      for (const name of ${JSON.stringify(EVENTS)}) pool.on(name, ${listener})
      let heard = 0
      pool.on('connectionReady', () => { heard++ })
      ;(async () => {
        await Promise.all(Array.from({ length: 20 }, () => pool.execute('ping')))
        // A connect that nobody needs any more may still be under way.
        while (pool.stats().connecting > 0) await new Promise(setImmediate)
        const idle = pool.stats().idle
        await pool.close()
        setImmediate(() => report({ warnings, heard, idle }))
      })()
      `,
      { address },
    )
    expect(ended).toMatchObject({ code: 0, signal: null })
    expect(ended.stderr).not.toMatch(/unhandledRejection|uncaughtException|Defect/)
    const [{ warnings, heard, idle }] = ended.reports
    expect(heard).toBe(idle)
    expect(new Set(warnings)).toEqual(new Set(['PoolListenerWarning']))
    expect(warnings).toHaveLength(EVENTS.length)
  })

  test('that nobody added loses nothing and throws nothing, whatever fails', async () => {
    server.setFaults([
      { unsolicited: true, command: 'echo' },
      { garbage: 'what?\n', command: 'print' },
    ])
    const reports = await expectClean(
      runScript(
        `${open}
        const results = []
        ;(async () => {
          for (const type of ['echo', 'print', 'ping', 'quit', 'ping']) {
            await pool.execute(type, { timeoutMs: 200 }).then(
              ({ status }) => results.push(status), ({ code }) => results.push(code))
          }
          await pool.close()
          report({ results })
        })()`,
        { address },
      ),
    )
    const [{ results }] = reports
    expect(results.slice(0, 3)).toEqual(['success', 'ERR_POOL_PROTOCOL', 'success'])
    expect(results.slice(4)).toEqual([
      expect.stringMatching(/^ERR_POOL_(CONNECT|ACQUIRE_TIMEOUT)$/),
    ])
  })
})

describe('worker threads', () => {
  const storm = `
    const { Worker } = require('node:worker_threads')
    const source = \`
      const { ConnectionPool } = require(\${JSON.stringify(process.cwd())})
      const { parentPort, workerData } = require('node:worker_threads')
      const pool = new ConnectionPool({ endpoints: workerData, dialect: 'worker' })
      pool.on('connectionReady', () => {})
      for (let at = 0; at < 100; at++) pool.execute('get_scene_info').then(() => parentPort.postMessage(at), () => {})
      pool.acquire().then((connection) => connection.execute('ping')).catch(() => {})
    \`
    const start = () => new Worker(source, { eval: true, workerData: address })
    const { once } = require('node:events')
  `

  test('may be terminated in the middle of a hundred commands', async () => {
    const reports = await expectClean(
      runScript(
        `${storm} ${open}
        ;(async () => {
          const worker = start()
          await once(worker, 'message')
          const mine = pool.execute({ type: 'sleep', params: { ms: 50 } })
          const code = await worker.terminate()
          report({ code, slept: (await mine).result.slept })
          await pool.close()
        })()`,
        { address },
      ),
    )
    expect(reports).toEqual([{ code: 1, slept: 50 }])
    await server.waitFor((stats) => stats.open === 0)
  })

  test.each([
    ['and the main pool goes on', open],
    ['though the main thread has no pool', ''],
  ])('may start and end in a storm %s', async (_what, mainPool) => {
    const reports = await expectClean(
      runScript(
        `${storm} ${mainPool}
        const mine = typeof pool === 'undefined' ? null : pool
        ;(async () => {
          let answered = 0
          const commands = mine && Array.from({ length: 200 }, (_, at) =>
            mine.execute({ type: 'echo', params: { at } }).then(({ result }) => { answered += result.at === at }))
          for (let round = 0; round < 4; round++) {
            const workers = Array.from({ length: 5 }, start)
            await Promise.all(workers.map(async (worker, at) => {
              if (at % 2) await once(worker, 'message')
              else await once(worker, 'online')
              await worker.terminate()
            }))
          }
          await Promise.all(commands ?? [])
          report({ answered })
          if (mine) await mine.close()
        })()`,
        { address, limitMs: 25_000 },
      ),
    )
    expect(reports).toEqual([{ answered: mainPool === '' ? 0 : 200 }])
    await server.waitFor((stats) => stats.open === 0)
  })

  test('may end by themselves once their pool is closed', async () => {
    const reports = await expectClean(
      runScript(
        `const { Worker } = require('node:worker_threads')
        const source = \`
          const { ConnectionPool } = require(\${JSON.stringify(process.cwd())})
          const { workerData } = require('node:worker_threads')
          const pool = new ConnectionPool({ endpoints: workerData, dialect: 'worker' })
          pool.execute('ping').then(() => pool.close())
        \`
        const ends = Array.from({ length: 4 }, () => new Promise((resolve) => {
          new Worker(source, { eval: true, workerData: address }).on('exit', resolve)
        }))
        Promise.all(ends).then((codes) => report({ codes }))`,
        { address },
      ),
    )
    expect(reports).toEqual([{ codes: [0, 0, 0, 0] }])
  })
})

test('the package is an ECMAScript module too', async () => {
  const ended = await runModule(`
    import pkg, { ConnectionPool, PoolError, PooledConnection, deliveredOf } from 'blender-pool'
    import { startSimulator } from 'blender-pool/simulator'
    const simulator = await startSimulator()
    const pool = new ConnectionPool({ endpoints: simulator.address })
    const connection = await pool.acquire()
    const same = pkg.ConnectionPool === ConnectionPool && connection instanceof PooledConnection
    const error = await connection.execute('').catch((error) => error)
    const { success } = await connection.execute('ping')
    await connection.release()
    await pool.close()
    await simulator.close()
    console.log(JSON.stringify({ same, error: error instanceof PoolError, success, deliveredOf: typeof deliveredOf }))
  `)
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(ended.reports).toEqual([
    { same: true, error: true, success: true, deliveredOf: 'function' },
  ])
})

describe('BLENDER_POOL_LOG', () => {
  const talk = `
    const pool = new ConnectionPool({ endpoints: { name: 'studio', address }, dialect: 'worker' })
    const second = new ConnectionPool({ endpoints: address, dialect: 'worker' })
    pool.execute('ping').then(() => pool.close()).then(() => second.close())`

  test('=debug prints lines with pool, connection and endpoint on stderr', async () => {
    const ended = await runScript(talk, { address, env: { BLENDER_POOL_LOG: 'debug' } })
    expect(ended).toMatchObject({ code: 0, stdout: '' })
    const lines = ended.stderr.split('\n').filter((line) => line.includes('connection='))
    expect(lines.length).toBeGreaterThan(1)
    for (const line of lines) {
      expect(line).toMatch(/pool(=|.*name=)"?pool/)
      expect(line).toMatch(/connection=1\b/)
      expect(line).toMatch(/endpoint="?studio/)
    }
  })

  test('=nonsense is told once, and breaks nothing', async () => {
    const ended = await runScript(talk, { address, env: { BLENDER_POOL_LOG: 'nonsense' } })
    expect(ended.code).toBe(0)
    expect(ended.stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/BLENDER_POOL_LOG=nonsense.*error, warn, info, debug/),
    ])
  })

  test.each(['', undefined])('%p prints nothing', async (level) => {
    const env = level === undefined ? {} : { BLENDER_POOL_LOG: level }
    await expectClean(runScript(talk, { address, env }))
  })
})
