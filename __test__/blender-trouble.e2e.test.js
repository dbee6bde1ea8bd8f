'use strict'

// The pool against a real Blender when something goes wrong: callers leave, Blender stops, dies and comes
// back, and JavaScript stands still.

const { deliveredOf } = require('..')
const { python, startBlender, telling, told } = require('./support/blender')
const { gate } = require('./support/gate')
const { afterwards, newPool } = require('./support/stage')

const numbers = (count) => Array.from({ length: count }, (_, index) => index)
/** Notes that it ran, and tells its number. */
const noting = (n) => telling(`${n}`, `bpy.app.driver_namespace.setdefault("ran", []).append(${n})`)
const noted = telling('bpy.app.driver_namespace.get("ran", [])')

// Other tests may keep the machine busy: a Blender then takes its time to start and to render.
jest.setTimeout(90_000)

describe.each(['worker', 'blender-mcp'])('a Blender that speaks %s', (dialect) => {
  async function newBlender(options) {
    const blender = await startBlender({ dialect, ...options })
    afterwards(async () => {
      if (blender.process.exitCode !== null || blender.process.signalCode !== null) return
      process.kill(blender.pid, 'SIGCONT')
      await blender.stop()
    })
    return blender
  }

  const poolOf = ({ host, port }, options) => newPool({ endpoints: `${host}:${port}`, ...options })

  async function everyAnswerIsItsOwn(pool) {
    const replies = await Promise.all(numbers(20).map((n) => pool.execute(telling(`${n + 100}`))))
    expect(replies.map(told)).toEqual(numbers(20).map((n) => n + 100))
  }

  test('an aborted render lets its caller go at once and disturbs nobody', async () => {
    const pool = poolOf(await newBlender(), { maxConnections: 2 })
    const { code, reached, open } = await gate()
    await pool.execute({ type: 'create_primitive', params: { name: 'Before' } })
    const hold = [
      'import bpy',
      'def hold(*_):',
      '    bpy.app.handlers.render_pre.remove(hold)',
      ...code.split('\n').map((line) => `    ${line}`),
      'bpy.app.handlers.render_pre.append(hold)',
    ]
    await pool.execute(python(hold.join('\n')), { rejectOnError: true })

    const controller = new AbortController()
    const reason = new Error('somebody else took over')
    const params = { width: 16, height: 16, samples: 1 }
    const render = pool.execute({ type: 'render', params }, { signal: controller.signal })
    await reached()
    const { id: cut } = pool.connections().find(({ state }) => state === 'inUse')
    controller.abort(reason)
    await expect(render).rejects.toBe(reason) // while Blender still renders: the gate is shut
    expect(deliveredOf(render)).toBe('maybe')
    expect(pool.connections().find(({ id }) => id === cut).state).toBe('unusable')

    const next = pool.execute({ type: 'create_primitive', params: { name: 'After' } })
    open()
    expect((await next).result.name).toBe('After')
    await everyAnswerIsItsOwn(pool)
    const { result } = await pool.execute('get_scene_info')
    const names = result.objects.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['Before', 'After']))
    expect(names.filter((name) => ['Before', 'After'].includes(name))).toHaveLength(2)
    expect(pool.connections().map(({ id }) => id)).not.toContain(cut)
    expect(pool.stats()).toMatchObject({ aborted: 1, unusable: 0 })
  })

  test('a killed Blender loses what it ran; what waited is answered by the next one', async () => {
    const blender = await newBlender()
    const patient = { connectRetryMs: 60_000, maxRetryBackoffMs: 500 }
    const pool = poolOf(blender, { maxConnections: 1, ...patient })
    const { code, reached } = await gate()
    const lost = pool.execute(python(code))
    const waiting = pool.execute(telling('os.getpid()', 'import os'))
    await reached()
    process.kill(blender.pid, 'SIGKILL')
    await expect(lost).rejects.toMatchObject({
      code: 'ERR_POOL_CONNECTION_LOST',
      delivered: 'maybe',
      retryable: false,
    })
    await blender.exited
    const next = await newBlender({ port: blender.port })
    expect(told(await waiting)).toBe(next.pid)
    await everyAnswerIsItsOwn(pool)
    expect(pool.stats()).toMatchObject({ total: 1, waiting: 0, inUse: 0, commandErrors: 1 })
  })

  test('a Blender that stops costs a timeout; its late answers reach nobody', async () => {
    const blender = await newBlender()
    const pool = poolOf(blender, { maxConnections: 2, commandTimeoutMs: 1_500 })
    const desyncs = []
    pool.on('desync', (event) => desyncs.push(event))
    await everyAnswerIsItsOwn(pool)

    process.kill(blender.pid, 'SIGSTOP')
    const stuck = await Promise.allSettled(
      numbers(3).map((n) => pool.execute(noting(n), { timeoutMs: 2_500 })),
    )
    expect(stuck[0].reason).toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT', delivered: 'maybe' })
    for (const { reason } of stuck) {
      expect(['ERR_POOL_COMMAND_TIMEOUT', 'ERR_POOL_ACQUIRE_TIMEOUT']).toContain(reason.code)
    }
    process.kill(blender.pid, 'SIGCONT')

    await everyAnswerIsItsOwn(pool)
    const ran = told(await pool.execute(noted))
    expect(new Set(ran).size).toBe(ran.length)
    // Who was told "no" may send again without a second thought.
    for (const n of numbers(3)) {
      if (stuck[n].reason.delivered === 'no') expect(ran).not.toContain(n)
    }
    expect(desyncs).toEqual([])
    expect(pool.stats()).toMatchObject({ waiting: 0, inUse: 0 })
  })

  test('queued commands run while the event loop is blocked for a second', async () => {
    const pool = poolOf(await newBlender(), { maxConnections: 2 })
    await everyAnswerIsItsOwn(pool)
    const calls = numbers(40).map(() =>
      pool.execute(telling('time.time() * 1000', 'import time; time.sleep(0.005)')),
    )
    const began = Date.now()
    while (Date.now() < began + 1_000);
    const end = Date.now()
    const times = (await Promise.all(calls)).map(told)
    // Without the pool's own thread, those that were written at once would have been all.
    expect(times.filter((time) => time < end)).toHaveLength(40)
  })
})
