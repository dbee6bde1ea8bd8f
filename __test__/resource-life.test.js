'use strict'

// What only a process can show of a ResourcePool: what the garbage collector finds, how a process or a worker thread
// ends, and that nothing user code does is left unhandled.

const { runScript } = require('./support/child')

const PRELUDE = `
  const { ResourcePool } = require('blender-pool')
  const turn = () => new Promise(setImmediate)
  const until = async (holds) => { while (!holds()) { await turn(); global.gc?.() } }
`

async function reported(script, flags = ['--expose-gc']) {
  const ended = await runScript(`${PRELUDE};(async () => {${script}})()`, { flags })
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  return ended.reports[0]
}

test('a forgotten lease is told of, and its resource is lent to the next', async () => {
  const seen = await reported(`
    let made = 0
    const pool = new ResourcePool({ create: () => ({ number: ++made }), maxConnections: 1 })
    const lost = []
    pool.on('leaseLost', ({ connectionId }) => lost.push(connectionId))
    await (async () => { await pool.acquire() })()
    const next = pool.acquire()
    await until(() => lost.length === 1)
    const { number } = (await next).resource
    await (await next).release()
    const { reclaimed, inUse } = pool.stats()
    await pool.close()
    report({ lost, made, number, reclaimed, inUse })
  `)
  expect(seen).toEqual({ lost: [1], made: 1, number: 1, reclaimed: 1, inUse: 0 })
})

test('a lease that was given back keeps no resource, and neither does a destroy that hangs', async () => {
  const seen = await reported(`
    const gone = new Set()
    const registry = new FinalizationRegistry((number) => gone.add(number))
    const never = () => new Promise(() => {})
    let made = 0
    const pool = new ResourcePool({
      create: () => {
        const resource = { number: ++made }
        registry.register(resource, made)
        return resource
      },
      destroy: ({ number }) => (number === 2 ? never() : undefined),
      maxConnections: 1,
      drainTimeoutMs: 10,
    })
    const leases = []
    for (let round = 0; round < 3; round++) {
      const lease = await pool.acquire()
      leases.push(lease)
      await lease.discard()
    }
    await until(() => gone.size === 3)
    await pool.close()
    report({ gone: [...gone].sort(), held: leases.map(({ inUse }) => inUse) })
  `)
  expect(seen).toEqual({ gone: [1, 2, 3], held: [false, false, false] })
})

test('of a thousand errors only the last are kept', async () => {
  const { grown } = await reported(`
    const pool = new ResourcePool({
      create: (signal) => new Promise((resolve, reject) => {
        const error = Object.assign(new Error('no'), { weight: new Array(10_000).fill(0) })
        setImmediate(reject, error)
      }),
      maxConnections: 4, maxConnecting: 4, connectRetryMs: 0, retryBackoffMs: 1, maxRetryBackoffMs: 1,
    })
    const fail = async (count) => {
      while (count-- > 0) await pool.acquire().catch(() => {})
      await turn()
      global.gc()
      return process.memoryUsage().heapUsed
    }
    const before = await fail(300)
    const grown = (await fail(600)) - before
    await pool.close()
    report({ grown })
  `)
  // The last errors are kept for those who are told of them later: 256 of 80 kB at the most.
  expect(grown).toBeLessThan(25_000_000)
})

test('nothing that user code throws, anywhere and at any time, is left unhandled', async () => {
  const seen = await reported(
    `
    process.on('warning', ({ name }) => warnings.add(name))
    const warnings = new Set()
    const evil = { get message() { throw 1 }, get stack() { throw 2 } }
    let asked = 0
    const fickle = { get message() { return asked++ % 2 === 0 ? 'text' : 5 } }
    const thrown = [undefined, null, 'text', evil, fickle, new Error('error'), Symbol('symbol')]
    let round = 0
    const odd = () => { throw thrown[round++ % thrown.length] }
    const outcomes = {}
    const note = (error) => { outcomes[error.code] = (outcomes[error.code] ?? 0) + 1 }
    const options = { connectRetryMs: 0, retryBackoffMs: 1, maxRetryBackoffMs: 1, maxConnections: 2, connectTimeoutMs: 20 }
    for (const functions of [
      { create: odd },
      { create: async () => odd() },
      { create: () => ({ then: odd }) },
      { create: () => ({ get then() { odd() } }) },
      { create: () => new Promise((_, reject) => setTimeout(reject, 40)) },
      { create: () => ({}), validate: odd, destroy: odd, onRelease: odd },
      { create: () => ({}), validate: async () => odd(), destroy: async () => odd(), onConnect: odd },
    ]) {
      const pool = new ResourcePool({ ...functions, ...options })
      for (const event of ['connectionClosed', 'hookFailed', 'healthCheckFailed', 'endpointDown']) {
        pool.on(event, ({ error }) => error && note(error))
      }
      for (let call = 0; call < 12; call++) {
        await pool.acquire().then((lease) => lease.release(), note)
        await pool.checkHealth()
      }
      await pool.close()
    }
    await new Promise((resolve) => setTimeout(resolve, 60))
    report({ codes: Object.keys(outcomes).sort(), warnings: [...warnings] })
  `,
    [],
  )
  expect(seen).toEqual({
    codes: expect.arrayContaining(['ERR_POOL_CONNECT', 'ERR_POOL_CONNECTION_LOST']),
    warnings: [],
  })
})

test('an open pool holds the process, and unref() lets it go', async () => {
  const ended = await runScript(`${PRELUDE}
    const pool = new ResourcePool({ create: () => ({}), name: 'sessions' }).unref()
    pool.use(() => report({ used: true }))
  `)
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '', reports: [{ used: true }] })
})

test('a worker thread that is terminated, whatever is under way, takes the process with it in no way', async () => {
  const seen = await reported(
    `
    const { Worker } = require('node:worker_threads')
    const source = \`
      const { ResourcePool } = require('blender-pool')
      const { parentPort } = require('node:worker_threads')
      const never = () => new Promise(() => {})
      let made = 0
      const pool = new ResourcePool({
        create: () => (++made > 2 ? never() : {}),
        validate: never,
        destroy: never,
        maxConnections: 4,
        maxConnecting: 4,
      })
      const run = async () => {
        const first = await pool.acquire()
        await (await pool.acquire()).discard()
        pool.acquire()
        await first.release()
        pool.checkHealth()
        parentPort.postMessage('busy')
      }
      run()
    \`
    const codes = []
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(source, { eval: true })
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
      codes.push(await worker.terminate())
    }
    const pool = new ResourcePool({ create: () => 'still works' })
    const said = await pool.use(({ resource }) => resource)
    await pool.close()
    report({ codes, said })
  `,
    [],
  )
  expect(seen).toEqual({ codes: [1, 1, 1, 1, 1], said: 'still works' })
})
