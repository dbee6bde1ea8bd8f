'use strict'

// The end of a server: everything has its turn, in order and in time, and a signal ends the process as
// signals do.

const { ShutdownRegistry, startHealthReporter } = require('../health')
const { liveChild } = require('./support/live-child')
const { newPool, simulator } = require('./support/stage')

const never = () => new Promise(() => {})

/** Everything that a registry tells, in order. */
function heard(registry) {
  const events = []
  for (const event of ['started', 'handlerDone', 'handlerFailed', 'handlerTimedOut', 'finished']) {
    registry.on(event, ({ name, reason }) => events.push(`${event} ${name ?? reason}`))
  }
  return events
}

const statuses = ({ handlers }) => handlers.map(({ name, status }) => `${name} ${status}`)

describe('handlers run', () => {
  test('one after another, the last registered first', async () => {
    const registry = new ShutdownRegistry()
    const steps = []
    for (const name of ['database', 'pool', 'server']) {
      registry.register(name, async () => {
        steps.push(`${name} begins`)
        await new Promise((resolve) => setImmediate(resolve))
        steps.push(`${name} ends`)
      })
    }
    const report = await registry.run('SIGTERM')
    expect(steps).toEqual([
      'server begins',
      'server ends',
      'pool begins',
      'pool ends',
      'database begins',
      'database ends',
    ])
    expect(report).toMatchObject({ reason: 'SIGTERM', ok: true, durationMs: expect.any(Number) })
    expect(statuses(report)).toEqual(['server done', 'pool done', 'database done'])
  })

  test('by their order first, where they have one', async () => {
    const registry = new ShutdownRegistry()
    registry.register('first', () => {}, { order: -1 })
    registry.register('middle, registered first', () => {})
    registry.register('middle, registered last', () => {})
    registry.register('last', () => {}, { order: 1 })
    expect(statuses(await registry.run())).toEqual([
      'first done',
      'middle, registered last done',
      'middle, registered first done',
      'last done',
    ])
  })

  test('once, however often they are asked for', async () => {
    const registry = new ShutdownRegistry()
    const run = jest.fn()
    registry.register('once', run)
    registry.on('started', () => registry.run('from a listener'))
    const first = registry.run('first')
    expect(registry.run('second')).toBe(first)
    await first
    expect(registry.run('third')).toBe(first)
    expect(run).toHaveBeenCalledTimes(1)
    expect((await first).reason).toBe('first')
  })

  test('with the reason and a signal that is not aborted', async () => {
    const registry = new ShutdownRegistry()
    let given
    registry.register('asks', (context) => {
      given = { reason: context.reason, aborted: context.signal.aborted }
      return 'an answer'
    })
    const { handlers } = await registry.run('stdin closed')
    expect(given).toEqual({ reason: 'stdin closed', aborted: false })
    expect(handlers[0]).toMatchObject({ status: 'done', value: 'an answer' })
  })

  test('unless they were taken back', async () => {
    const registry = new ShutdownRegistry()
    registry.register('stays', () => {})
    const takeBack = registry.register('goes', () => {})
    takeBack()
    takeBack()
    expect(statuses(await registry.run())).toEqual(['stays done'])
  })

  test('even when registered by one of them', async () => {
    const registry = new ShutdownRegistry()
    registry.register('first', () => {})
    registry.register('second', () => {
      registry.register('in between', () => {})
    })
    expect(statuses(await registry.run())).toEqual(['second done', 'in between done', 'first done'])
  })
})

describe('a handler that', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('no'))],
  ])('%s is reported, and stops none of the others', async (_how, fail) => {
    const registry = new ShutdownRegistry()
    const events = heard(registry)
    registry.register('after', () => {})
    registry.register('fails', fail)
    const report = await registry.run()
    expect(report.ok).toBe(false)
    expect(statuses(report)).toEqual(['fails failed', 'after done'])
    expect(report.handlers[0].error.message).toBe('no')
    expect(events).toEqual([
      'started shutdown',
      'handlerFailed fails',
      'handlerDone after',
      'finished shutdown',
    ])
  })

  test('hangs is told by its signal, and stops none of the others', async () => {
    const registry = new ShutdownRegistry()
    const events = heard(registry)
    let told
    registry.register('after', () => {})
    registry.register(
      'hangs',
      ({ signal }) => {
        told = new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(signal.reason))
        })
        return never()
      },
      { deadlineMs: 5 },
    )
    const report = await registry.run()
    expect(statuses(report)).toEqual(['hangs timeout', 'after done'])
    expect(await told).toMatchObject({ name: 'TimeoutError' })
    expect(events).toContain('handlerTimedOut hangs')
  })

  test('rejects after its time is no unhandled rejection', async () => {
    const registry = new ShutdownRegistry()
    let rejectLate
    const late = () => new Promise((_resolve, reject) => (rejectLate = reject))
    registry.register('late', late, { deadlineMs: 1 })
    await registry.run()
    rejectLate(new Error('too late'))
    await new Promise((resolve) => setImmediate(resolve))
  })
})

describe('the deadline of the whole', () => {
  test('cuts the one that runs; those that are left are begun, aborted, for one turn', async () => {
    const registry = new ShutdownRegistry({ deadlineMs: 10 })
    const signals = []
    registry.register('quick', ({ signal }) => {
      signals.push(signal.aborted)
    })
    registry.register('slow', ({ signal }) => {
      signals.push(signal.aborted)
      return never()
    })
    registry.register('hangs', never)
    const report = await registry.run()
    expect(statuses(report)).toEqual(['hangs timeout', 'slow timeout', 'quick done'])
    expect(signals).toEqual([true, true])
    expect(report.ok).toBe(false)
  })

  test('ends handlers that register handlers for ever', async () => {
    const registry = new ShutdownRegistry({ deadlineMs: 10 })
    const giveUpAt = Date.now() + 2_000
    const again = () => {
      if (Date.now() < giveUpAt) registry.register('again', again)
    }
    registry.register('again', again)
    const { ok, handlers } = await registry.run()
    expect(ok).toBe(false)
    expect(handlers.at(-1).error).toMatchObject({ code: 'ERR_POOL_CLOSED' })
  })
})

test('after the end nobody can register, and hears why', async () => {
  const registry = new ShutdownRegistry()
  expect(await registry.run()).toMatchObject({ ok: true, handlers: [] })
  expect(() => registry.register('late', () => {})).toThrow(/'late' comes too late/)
})

test('a listener that throws is warned about, and changes nothing', async () => {
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const registry = new ShutdownRegistry()
  registry.register('runs', () => {})
  registry.on('handlerDone', () => {
    throw new Error('from a listener')
  })
  expect(await registry.run()).toMatchObject({ ok: true })
  expect(warnings).toHaveBeenCalledTimes(1)
  warnings.mockRestore()
})

test.each([
  ['a name', (registry) => registry.register('', () => {})],
  ['run', (registry) => registry.register('name', 'close')],
  ['deadlineMs', (registry) => registry.register('name', () => {}, { deadlineMs: 0 })],
  ['order', (registry) => registry.register('name', () => {}, { order: 0.5 })],
  ['unknown', (registry) => registry.register('name', () => {}, { timeout: 5 })],
  ['pool', (registry) => registry.registerPool({})],
  ['timeoutMs', (registry) => registry.registerPool({ close() {} }, { timeoutMs: -1 })],
  ['reporters', (registry) => registry.registerPool({ close() {} }, { reporters: [{}] })],
  ['signals', (registry) => registry.installSignalHandlers({ signals: ['SIGKILL'] })],
  ['signals', (registry) => registry.installSignalHandlers({ signals: ['TERM'] })],
  ['exit', (registry) => registry.installSignalHandlers({ exit: 0 })],
  ['total', () => new ShutdownRegistry({ deadlineMs: '5' })],
])('what is wrong with %s is said at once', (_what, act) => {
  const before = process.listenerCount('SIGTERM')
  expect(() => act(new ShutdownRegistry())).toThrow(
    expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }),
  )
  expect(process.listenerCount('SIGTERM')).toBe(before)
})

describe('registerPool()', () => {
  test('closes several pools, and stops their reporters first', async () => {
    const { address } = await simulator({ dialect: 'worker' })
    const registry = new ShutdownRegistry()
    const pools = ['left', 'right'].map((name) => {
      const pool = newPool({ name, endpoints: address, dialect: 'worker' })
      const source = { name, checkHealth: async () => ({ status: 'healthy', reasons: [] }) }
      const reporter = startHealthReporter(source)
      registry.registerPool(pool, { timeoutMs: 100, reporters: [reporter] })
      return { pool, reporter }
    })
    await Promise.all(pools.map(({ pool }) => pool.execute('ping')))
    const report = await registry.run()
    expect(statuses(report)).toEqual(['right done', 'left done'])
    expect(report.handlers[0].value).toMatchObject({ failedWaiters: 0, cut: 0 })
    for (const { pool, reporter } of pools) {
      expect(pool.state).toBe('closed')
      expect(reporter.running).toBe(false)
    }
  })

  test('cuts what does not finish in the pool’s own time', async () => {
    const { address } = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: address, dialect: 'worker' })
    const registry = new ShutdownRegistry()
    registry.registerPool(pool, { name: 'studio', timeoutMs: 0 })
    await pool.acquire()
    const report = await registry.run()
    expect(report).toMatchObject({ ok: true })
    expect(report.handlers[0]).toMatchObject({ name: 'studio', value: { cut: 1 } })
  })

  test('cuts at the deadline of the whole what a longer time was given to', async () => {
    const { address } = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: address, dialect: 'worker' })
    const registry = new ShutdownRegistry({ deadlineMs: 10 })
    registry.registerPool(pool, { timeoutMs: 60_000 })
    await pool.acquire()
    const closed = new Promise((resolve) => pool.once('poolClosed', resolve))
    expect(statuses(await registry.run())).toEqual([`${pool.name} timeout`])
    await closed
    expect(pool.state).toBe('closed')
  })

  test('closes by force, at once, the pool whose turn comes too late', async () => {
    const registry = new ShutdownRegistry({ deadlineMs: 10 })
    const pool = { name: 'late', close: jest.fn(async () => 'closed') }
    registry.registerPool(pool, { timeoutMs: 60_000 })
    registry.register('hangs', never)
    expect(statuses(await registry.run())).toEqual(['hangs timeout', 'late done'])
    expect(pool.close.mock.calls).toEqual([[{ force: true }]])
  })

  test('reports a pool that cannot be closed, and minds no second failure', async () => {
    const registry = new ShutdownRegistry({ deadlineMs: 10 })
    registry.registerPool({ close: () => Promise.reject(new Error('stuck')) })
    registry.registerPool({
      close: ({ force }) => (force ? Promise.reject(new Error('no')) : never()),
    })
    expect(statuses(await registry.run())).toEqual(['pool timeout', 'pool failed'])
  })
})

describe('a signal', () => {
  const handlers = `
    server.registerShutdownHandler('database', ({ reason }) => say('database ' + reason))
    server.registerShutdownHandler('http', () => say('http'))`

  test.each([
    'SIGINT',
    'SIGTERM',
  ])('%s runs the handlers, and the process ends with 0', async (signal) => {
    const child = liveChild(`${handlers}; server.installSignalHandlers(); stay(); say('ready')`)
    await child.said('ready')
    child.kill(signal)
    expect(await child.ended).toEqual({
      code: 0,
      signal: null,
      stderr: '',
      lines: ['ready', 'http', `database ${signal}`],
    })
  })

  test('lets a caller whose work ended with it say so before the process ends', async () => {
    const child = liveChild(`
      let finish
      const work = new Promise((resolve) => { finish = resolve })
      const caller = async () => { await work; await null; say('answered') }
      caller()
      server.registerShutdownHandler('work', () => finish())
      server.installSignalHandlers(); stay(); say('ready')`)
    await child.said('ready')
    child.kill('SIGTERM')
    const { code, lines } = await child.ended
    expect(lines).toContain('answered')
    expect(code).toBe(0)
  })

  test('keeps the exit code that the program chose', async () => {
    const child = liveChild(
      `${handlers}; process.exitCode = 7; server.installSignalHandlers(); stay(); say('ready')`,
    )
    await child.said('ready')
    child.kill('SIGTERM')
    expect(await child.ended).toMatchObject({ code: 7 })
  })

  test.each([
    ['fails', `() => { throw new Error('no') }`],
    ['hangs', `() => new Promise(() => {})`],
  ])('whose handler %s ends the process with 1, after the other handlers', async (_how, handler) => {
    const child = liveChild(`
      ${handlers}
      server.registerShutdownHandler('bad', ${handler}, { deadlineMs: 20 })
      server.shutdown.on('finished', ({ handlers }) => say('bad ' + handlers[0].status))
      server.installSignalHandlers(); stay(); say('ready')`)
    await child.said('ready')
    child.kill('SIGTERM')
    const { code, lines, stderr } = await child.ended
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(lines.slice(0, 3)).toEqual(['ready', 'http', 'database SIGTERM'])
    expect(lines[3]).toMatch(/^bad (failed|timeout)$/)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])('%s a second time ends the process at once, with %i', async (signal, code) => {
    const child = liveChild(`
      server.registerShutdownHandler('slow', () => { say('closing'); return new Promise(() => {}) })
      server.installSignalHandlers({ repeatMs: 0 }); stay(); say('ready')`)
    await child.said('ready')
    child.kill('SIGTERM')
    await child.said('closing')
    child.kill(signal)
    expect(await child.ended).toMatchObject({ code, signal: null, stderr: '' })
  })

  test('that comes twice at once, as from npm, is taken for one', async () => {
    const child = liveChild(`
      let finish
      server.registerShutdownHandler('slow', () => new Promise((resolve) => { finish = resolve; say('closing') }))
      process.on('SIGINT', () => { say('SIGINT'); if (finish) finish() })
      server.installSignalHandlers({ repeatMs: 60_000 }); stay(); say('ready')`)
    await child.said('ready')
    child.kill('SIGINT')
    await child.said('closing')
    child.kill('SIGINT')
    const { code, lines } = await child.ended
    expect(lines).toEqual(['ready', 'SIGINT', 'closing', 'SIGINT'])
    expect(code).toBe(0)
  })

  test('without exit leaves the end to the program', async () => {
    const child = liveChild(`
      const staying = stay()
      server.registerShutdownHandler('staying', () => clearInterval(staying))
      server.shutdown.on('finished', () => {
        setImmediate(() => say('SIGTERM ' + process.listenerCount('SIGTERM')))
        process.on('exit', () => say('by itself'))
      })
      server.installSignalHandlers({ exit: false }); say('ready')`)
    await child.said('ready')
    child.kill('SIGTERM')
    expect(await child.ended).toEqual({
      code: 0,
      signal: null,
      stderr: '',
      lines: ['ready', 'SIGTERM 0', 'by itself'],
    })
  })

  test('without exit, a second time, does what it does without listeners', async () => {
    const child = liveChild(`
      server.registerShutdownHandler('slow', () => { say('closing'); return new Promise(() => {}) })
      server.installSignalHandlers({ exit: false, repeatMs: 0 }); stay(); say('ready')`)
    await child.said('ready')
    child.kill('SIGTERM')
    await child.said('closing')
    child.kill('SIGTERM')
    expect(await child.ended).toMatchObject({ code: null, signal: 'SIGTERM' })
  })

  test('joins a shutdown that began without one', async () => {
    const child = liveChild(`
      let finish
      server.registerShutdownHandler('slow', ({ reason }) => {
        say('closing: ' + reason)
        return new Promise((resolve) => { finish = resolve })
      })
      process.on('SIGTERM', () => finish())
      server.installSignalHandlers(); stay(); server.shutdown.run('stdin closed')`)
    await child.said('closing: stdin closed')
    child.kill('SIGTERM')
    expect(await child.ended).toMatchObject({ code: 0, lines: ['closing: stdin closed'] })
  })

  test('is not heard any more once the handlers are taken away', async () => {
    const before = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))
    const registry = new ShutdownRegistry()
    const uninstall = registry.installSignalHandlers({ signals: ['SIGINT', 'SIGTERM', 'SIGHUP'] })
    expect(process.listenerCount('SIGHUP')).toBe(before[2] + 1)
    uninstall()
    uninstall()
    expect(['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))).toEqual(
      before,
    )
  })

  test('closes two pools in the middle of commands, and nothing is left unhandled', async () => {
    const blender = await simulator({ dialect: 'worker' })
    const child = liveChild(
      `
      const pools = ['left', 'right'].map((name) => new ConnectionPool({ name, endpoints: address, dialect: 'worker' }))
      for (const pool of pools) server.registerPool(pool, { timeoutMs: 50 })
      const codes = new Set()
      server.shutdown.on('finished', ({ handlers }) => {
        for (const { name, status } of handlers) say(name + ' ' + status)
        say([...codes].join(' '))
      })
      server.installSignalHandlers()
      // A Blender that is at work answers nobody who connects: both have a connection first.
      Promise.all(pools.map((pool) => pool.use(() => {}))).then(() => {
        for (const pool of pools) {
          for (let at = 0; at < 20; at++) {
            pool.execute({ type: 'sleep', params: { ms: 60_000 } }).catch(({ code }) => codes.add(code))
          }
        }
        say('busy')
      })`,
      { address: blender.address },
    )
    await child.said('busy')
    child.kill('SIGTERM')
    const { code, stderr, lines } = await child.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(lines.slice(-3)).toEqual(['right done', 'left done', 'ERR_POOL_CLOSED'])
    await blender.waitFor(({ open }) => open === 0)
  })
})
