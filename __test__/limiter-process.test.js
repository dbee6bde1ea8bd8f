'use strict'
// What a Limiter does to the process it lives in: what holds it, and that nothing is ever left unhandled.

const { runScript } = require('./support/child')

const LIMITER = `const { Limiter } = require('./index.js')
  const { Worker } = require('node:worker_threads')
  const hang = () => new Promise(() => {})
  const work = async () => {}
  ;`

async function reportsOf(script) {
  const ended = await runScript(LIMITER + script)
  expect(ended).toMatchObject({ signal: null, stderr: '', code: 0 })
  return ended.reports
}

test.each([
  ['was never used', ''],
  ['was used, and stands open', 'limiter.run(work)'],
  ['keeps results', `limiter.run(work, { key: 'k', cacheTtlMs: 600_000 })`],
  ['waits for the rate no more', 'limiter.run(work); limiter.run(work); limiter.clear()'],
  ['runs what never settles', 'limiter.run(hang)'],
  ['was closed', 'limiter.run(work); limiter.close()'],
])('a process ends by itself with a limiter that %s', async (_what, use) => {
  const [{ uptime }] = await reportsOf(`
    process.on('exit', () => report({ uptime: process.uptime() }))
    const limiter = new Limiter({ maxConcurrent: 1, requestsPerMinute: 1 })
    const run = limiter.run
    limiter.run = (...given) => run.apply(limiter, given).catch(() => {});
    ${use}`)
  expect(uptime).toBeLessThan(12)
})

test('a run that waits holds the process until it has run', async () => {
  const reports = await reportsOf(`
    const limiter = new Limiter({ maxConcurrent: 1, requestsPerSecond: 1 })
    limiter.run(work)
    limiter.run(() => report({ ran: true }))`)
  expect(reports).toEqual([{ ran: true }])
})

test('process.exit with runs at work and waiting ends cleanly', async () => {
  await reportsOf(`
    const limiter = new Limiter({ maxConcurrent: 1, requestsPerSecond: 1 })
    limiter.run(hang).catch(() => {})
    for (let n = 0; n < 100; n++) limiter.run(work).catch(() => {})
    setImmediate(() => process.exit(0))`)
})

test('worker threads end with runs at work and waiting, and so does who terminates them', async () => {
  const reports = await reportsOf(`
    const source = \`
      const { Limiter } = require(\${JSON.stringify(process.cwd())})
      const limiter = new Limiter({ maxConcurrent: 1, requestsPerSecond: 5 })
      limiter.run(() => new Promise(() => {}))
      for (let n = 0; n < 100; n++) limiter.run(() => {})
      require('node:worker_threads').parentPort.postMessage('works')\`
    let left = 4
    for (let n = 0; n < 4; n++) {
      const worker = new Worker(source, { eval: true })
      worker.once('message', () => worker.terminate())
      worker.once('exit', () => --left === 0 && report({ left }))
    }`)
  expect(reports).toEqual([{ left: 0 }])
})

test('nothing is left unhandled, whatever functions do once nobody listens', async () => {
  const reports = await reportsOf(`
    ;(async () => {
      const limiter = new Limiter({ maxConcurrent: 8, queueTimeoutMs: 50 })
      const told = []
      const ask = (fn, options) => told.push(limiter.run(fn, options).then(() => 'ok', (e) => e.code ?? e.message))
      const late = (signal) => new Promise((_, reject) => {
        signal.addEventListener('abort', () => setImmediate(reject, new Error('too late')))
      })
      for (let n = 0; n < 50; n++) {
        const controller = new AbortController()
        ask(late, { signal: controller.signal })
        ask(late, { timeoutMs: 5 })
        ask(late, { key: 'k' + (n % 5), timeoutMs: 10 })
        ask(() => { throw new Error('thrown') })
        ask(async () => { throw new Error('rejected') })
        setTimeout(() => controller.abort(new Error('gone')), 5)
      }
      await Promise.all(told)
      ask(late, {})
      ask(late, { key: 'k' })
      ask(late, { key: 'k' })
      await new Promise(setImmediate)
      const { cut } = await limiter.close({ timeoutMs: 10 })
      const counts = {}
      for (const one of await Promise.all(told)) counts[one] = (counts[one] ?? 0) + 1
      await new Promise((resolve) => setTimeout(resolve, 20))
      const { running, abandoned, waiting } = limiter.stats()
      report({ cut, callers: told.length, running, abandoned, waiting })
    })()`)
  expect(reports).toEqual([{ cut: 2, callers: 253, running: 0, abandoned: 0, waiting: 0 }])
})

test('limiters that are forgotten are collected', async () => {
  const ended = await runScript(
    `${LIMITER}
    let collected = 0
    const registry = new FinalizationRegistry(() => collected++)
    ;(async () => {
      for (let n = 0; n < 50; n++) {
        const limiter = new Limiter({ maxConcurrent: 1, requestsPerSecond: 1_000 })
        registry.register(limiter)
        await Promise.all([limiter.run(work), limiter.run(work, { key: 'k', cacheTtlMs: 60_000 })])
      }
      for (let turn = 0; turn < 100 && collected < 25; turn++) {
        globalThis.gc()
        await new Promise(setImmediate)
      }
      report({ enough: collected >= 25 })
    })()`,
    { flags: ['--expose-gc'] },
  )
  expect(ended).toMatchObject({ stderr: '', code: 0 })
  expect(ended.reports).toEqual([{ enough: true }])
})
