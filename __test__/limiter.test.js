'use strict'
// Limiter: what runs when, who is told what, and what is left afterwards.

const { AsyncLocalStorage } = require('node:async_hooks')
const { getEventListeners } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { Limiter, PoolError } = require('..')
const { ShutdownRegistry } = require('../health')
const { optionsOf } = require('../lib/tables')

const open = []

/** A limiter that is closed after the test. */
function limiterOf(options) {
  const limiter = new Limiter({ maxConcurrent: 1, ...options })
  open.push(limiter)
  return limiter
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((limiter) => limiter.close({ timeoutMs: 0 })))
})

/** A function that runs until it is let go, and tells when it has begun. */
function work() {
  const it = { signal: undefined, calls: 0 }
  it.begun = new Promise((resolve) => {
    it.fn = (signal) => {
      it.calls++
      it.signal = signal
      resolve()
      return new Promise((resolve, reject) => {
        it.finish = resolve
        it.fail = reject
      })
    }
  })
  return it
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

const codeOf = (promise) =>
  promise.then(
    () => 'fulfilled',
    (error) => error.code ?? error.message,
  )

describe('a run', () => {
  test('gives what its function gives, now or later', async () => {
    const limiter = limiterOf()
    expect(await limiter.run(() => 5)).toBe(5)
    expect(await limiter.run(async () => 'five')).toBe('five')
    expect(await limiter.run(() => {})).toBeUndefined()
    // biome-ignore lint/suspicious/noThenProperty: somebody else's promise
    expect(await limiter.run(() => ({ then: (resolve) => resolve('thenable') }))).toBe('thenable')
  })

  test('rejects with what its function throws or rejects with, the very same', async () => {
    const limiter = limiterOf()
    const thrown = new Error('thrown')
    const throws = () => {
      throw thrown
    }
    await expect(limiter.run(throws)).rejects.toBe(thrown)
    await expect(limiter.run(() => Promise.reject(thrown))).rejects.toBe(thrown)
    await expect(limiter.run(() => Promise.reject(undefined))).rejects.toBeUndefined()
    expect(limiter.stats()).toMatchObject({ started: 3, failed: 3, succeeded: 0, running: 0 })
  })

  test('leaves what its function throws alone where nobody may look at it', async () => {
    const limiter = limiterOf()
    const frozen = Object.freeze(new PoolError({ code: 'ERR_POOL_CONNECT', message: 'frozen' }))
    await expect(limiter.run(() => Promise.reject(frozen))).rejects.toBe(frozen)
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const caught = await limiter.run(() => Promise.reject(proxy)).catch((error) => [error])
    expect(caught[0] === proxy).toBe(true)
  })

  test("leaves an error alone that is another limiter's or pool's", async () => {
    const inner = limiterOf({ queueTimeoutMs: 1 })
    const outer = limiterOf({ maxConcurrent: 2 })
    const first = work()
    const running = inner.run(first.fn)
    let stack
    const fn = async () => {
      try {
        await inner.run(() => 1)
      } catch (error) {
        stack = error.stack
        throw error
      }
    }
    const error = await outer.run(fn).catch((error) => error)
    expect(error.code).toBe('ERR_POOL_ACQUIRE_TIMEOUT')
    expect(error.stack).toBe(stack)
    const signal = AbortSignal.abort(error)
    await expect(outer.run(fn, { signal })).rejects.toBe(error)
    expect(error.stack).toBe(stack)
    first.finish()
    await running
  })

  test('gives its function a signal, unless that can see none', async () => {
    const limiter = limiterOf()
    const given = [
      (...all) => all[0],
      (signal = 'default') => signal,
      function () {
        // biome-ignore lint/complexity/noArguments: this is what is tested
        return arguments[0]
      },
      (() => 'unbound').constructor('return arguments[0]'),
      ((signal) => signal).bind(null),
      new Proxy((signal) => signal, {}),
      async (...[signal]) => signal,
      ({ aborted }) => (aborted === false ? new AbortController().signal : null),
    ]
    for (const fn of given) expect(await limiter.run(fn)).toBeInstanceOf(AbortSignal)
    const abort = new AbortController()
    const gone = limiter.run(() => new Promise(() => {}), { signal: abort.signal })
    while (limiter.stats().running === 0) await turn()
    abort.abort(new Error('gone'))
    await expect(gone).rejects.toThrow('gone')
  })

  test('begins only when run() has returned', async () => {
    const limiter = limiterOf()
    let begun = false
    const run = limiter.run(() => {
      begun = true
    })
    expect(begun).toBe(false)
    await run
    expect(begun).toBe(true)
  })

  test('begins in the context of who called, however long it waited', async () => {
    const limiter = limiterOf()
    const storage = new AsyncLocalStorage()
    const seen = ['a', 'b', 'c'].map((name) =>
      storage.run(name, () => limiter.run(async () => storage.getStore())),
    )
    expect(await Promise.all(seen)).toEqual(['a', 'b', 'c'])
  })

  test('may call run() of the same limiter, if there is a permit for it', async () => {
    const limiter = limiterOf({ maxConcurrent: 2 })
    expect(await limiter.run(() => limiter.run(() => limiter.name))).toBe(limiter.name)
    const deep = (depth) => (depth === 0 ? 'bottom' : void limiter.run(() => deep(depth - 1)))
    for (let round = 0; round < 3; round++) await limiter.run(() => deep(1_000))
    while (limiter.stats().running + limiter.stats().waiting > 0) await turn()
    expect(limiter.stats()).toMatchObject({ started: 2 + 3 * 1_001, failed: 0 })
  })

  test('that waits for one inside itself runs out of time, and frees its permit', async () => {
    const limiter = limiterOf({ queueTimeoutMs: 20 })
    await expect(limiter.run(() => limiter.run(() => 1))).rejects.toMatchObject({
      code: 'ERR_POOL_ACQUIRE_TIMEOUT',
    })
    expect(await limiter.run(() => 'free')).toBe('free')
  })

  test.each([
    ['no function', 5, undefined],
    ['an unknown option', () => {}, { timeout: 1 }],
    ['no options', () => {}, null],
    ['a wrong signal', () => {}, { signal: {} }],
    ['an empty key', () => {}, { key: '' }],
    ['a key that is an object', () => {}, { key: {} }],
    ['a priority above 100', () => {}, { priority: 101 }],
    ['no time at all', () => {}, { timeoutMs: 0 }],
    ['a negative cacheTtlMs', () => {}, { cacheTtlMs: -1, key: 'a' }],
    ['a cacheTtlMs and no key', () => {}, { cacheTtlMs: 5 }],
  ])('is refused with %s', async (_what, fn, options) => {
    const limiter = limiterOf()
    const error = await limiter.run(fn, options).catch((error) => error)
    expect(error).toBeInstanceOf(PoolError)
    expect(error.code).toBe('ERR_POOL_INVALID_OPTION')
    expect(limiter.stats()).toMatchObject({ started: 0, waiting: 0 })
  })

  test('that keeps results needs the key they are kept by', async () => {
    const limiter = limiterOf()
    const error = await limiter.run(() => 1, { cacheTtlMs: 5 }).catch((error) => error)
    expect(error.message).toBe('cacheTtlMs needs a key: results are kept by it.')
    expect(await limiter.run(() => 1, { cacheTtlMs: 0 })).toBe(1)
    const other = await limiter.run(() => 1, { ttl: 5 }).catch((error) => error)
    expect(other.message).toBe("run() has no option 'ttl'. Write cacheTtlMs.")
  })
})

describe('the options', () => {
  test.each([
    ['nothing', undefined],
    ['no maxConcurrent', {}],
    ['none at a time', { maxConcurrent: 0 }],
    ['too many at a time', { maxConcurrent: 1_025 }],
    ['a negative rate', { maxConcurrent: 1, requestsPerSecond: -1 }],
    ['half a start', { maxConcurrent: 1, requestsPerMinute: 0.5 }],
    ["a pool's option", { maxConcurrent: 1, maxConnections: 1 }],
    ['no time to wait', { maxConcurrent: 1, queueTimeoutMs: 0 }],
  ])('are refused with %s', (_what, options) => {
    expect(() => new Limiter(options)).toThrow(
      expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }),
    )
  })

  test('name what was most likely meant', () => {
    const messageOf = (options) => {
      try {
        new Limiter(options)
      } catch ({ message }) {
        return message
      }
    }
    expect(messageOf({ maxConcurrency: 3 })).toContain('Did you mean maxConcurrent?')
    expect(messageOf({ maxConnections: 3 })).toContain('Write maxConcurrent.')
    expect(messageOf(5)).toContain('{ maxConcurrent: 3 }')
  })

  test('of a run name what was most likely meant', async () => {
    const run = limiterOf().run(() => {}, { timeout: 5 })
    await expect(run).rejects.toThrow("run() has no option 'timeout'. Did you mean timeoutMs?")
  })

  test('are in the types as in the table, with its defaults and no others', () => {
    const types = fs.readFileSync(path.join(__dirname, '../index.d.ts'), 'utf8')
    const [, body] = /interface LimiterOptions \{\n(.*?)\n\}/s.exec(types)
    const typed = [...body.matchAll(/\/\*\* (.*?) \*\/\n {2}(\w+)\??:/g)]
    expect(typed.map(([, , name]) => name)).toEqual([...optionsOf('Limiter').keys()])
    for (const [, about, name] of typed) {
      const row = optionsOf('Limiter').get(name)
      const digits = /Default: ([\d ]+)/.exec(about)?.[1]
      expect([name, digits ? Number(digits.replaceAll(' ', '')) : null]).toEqual([
        name,
        row.default,
      ])
    }
  })

  test('say in words what is missing', () => {
    expect(() => new Limiter({})).toThrow('maxConcurrent is undefined; it must be given')
  })

  test('name it, or a name is made up', () => {
    expect(limiterOf({ name: 'api' }).name).toBe('api')
    expect(limiterOf().name).toMatch(/^limiter-\d+$/)
  })
})

describe('the order', () => {
  test('is that of the calls, at once, later and mixed', async () => {
    const limiter = limiterOf({ maxConcurrent: 3 })
    const began = []
    const all = []
    let next = 0
    const ask = () => {
      const number = next++
      all.push(
        limiter.run(async () => {
          began.push(number)
          if (number % 3 === 0) await turn()
        }),
      )
    }
    // New ones come while permits of earlier ones are still on their way.
    for (let round = 0; round < 100; round++) {
      for (let count = 0; count < 1 + (round % 7); count++) ask()
      if (round % 3 === 0) await turn()
      else await null
    }
    while (all.length < next) await turn()
    await Promise.all(all)
    expect(began).toEqual([...Array(next).keys()])
  })

  test('is that of the priorities first', async () => {
    const limiter = limiterOf()
    const first = work()
    const running = limiter.run(first.fn)
    const began = []
    const ask = (name, priority) => limiter.run(() => began.push(name), { priority })
    const waiting = [ask('low', -5), ask('a', 0), ask('high', 5), ask('b', 0)]
    await first.begun
    first.finish()
    await Promise.all([running, ...waiting])
    expect(began).toEqual(['high', 'a', 'b', 'low'])
  })

  test('never lets more run than may', async () => {
    const limiter = limiterOf({ maxConcurrent: 4 })
    let running = 0
    let most = 0
    const one = async () => {
      most = Math.max(most, ++running)
      await turn()
      running--
    }
    await Promise.all(Array.from({ length: 200 }, () => limiter.run(one)))
    expect(most).toBe(4)
    expect(limiter.stats()).toMatchObject({ running: 0, waiting: 0, succeeded: 200 })
  })
})

describe("a caller's signal", () => {
  test('that has aborted already starts nothing', async () => {
    const limiter = limiterOf()
    const reason = new Error('never mind')
    const fn = jest.fn()
    await expect(limiter.run(fn, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(fn).not.toHaveBeenCalled()
  })

  test('rejects a waiting caller at once, and its run never begins', async () => {
    const limiter = limiterOf()
    const first = work()
    const running = limiter.run(first.fn)
    const controller = new AbortController()
    const reason = new Error('gone')
    const fn = jest.fn()
    const gone = limiter.run(fn, { signal: controller.signal })
    controller.abort(reason)
    await expect(gone).rejects.toBe(reason)
    expect(limiter.stats()).toMatchObject({ running: 1, waiting: 0, aborted: 1 })
    first.finish()
    await running
    expect(await limiter.run(() => 'next')).toBe('next')
    expect(fn).not.toHaveBeenCalled()
  })

  test('takes back a permit that was granted and not begun', async () => {
    const limiter = limiterOf({ requestsPerMinute: 2 })
    const fn = jest.fn()
    for (let round = 0; round < 10; round++) {
      const controller = new AbortController()
      const gone = limiter.run(fn, { signal: controller.signal })
      controller.abort()
      await expect(gone).rejects.toBe(controller.signal.reason)
    }
    expect(fn).not.toHaveBeenCalled()
    // None of them has counted.
    expect(await Promise.all([limiter.run(() => 1), limiter.run(() => 2)])).toEqual([1, 2])
    expect(limiter.stats()).toMatchObject({ started: 2, aborted: 10, rate: { lastMinute: 2 } })
  })

  test('rejects a running caller at once, and the permit is free when the function has settled', async () => {
    const limiter = limiterOf()
    const first = work()
    const controller = new AbortController()
    const reason = new Error('gone')
    const gone = limiter.run(first.fn, { signal: controller.signal })
    await first.begun
    expect(first.signal.aborted).toBe(false)
    controller.abort(reason)
    await expect(gone).rejects.toBe(reason)
    expect(first.signal.reason).toBe(reason)
    expect(limiter.stats()).toMatchObject({ running: 1, abandoned: 1 })

    const second = jest.fn()
    const next = limiter.run(second)
    await turn()
    await turn()
    expect(second).not.toHaveBeenCalled()
    first.fail(new Error('nobody listens'))
    await next
    expect(limiter.stats()).toMatchObject({ running: 0, abandoned: 0, failed: 1, succeeded: 1 })
  })

  test('has no listener of ours when 10 000 waits on it are over', async () => {
    const limiter = limiterOf()
    const first = work()
    const running = limiter.run(first.fn)
    const { signal } = new AbortController()
    const most = []
    const all = Array.from({ length: 10_000 }, () => {
      const run = limiter.run(() => 1, { signal })
      most.push(getEventListeners(signal, 'abort').length)
      return run
    })
    expect(Math.max(...most)).toBe(1)
    await first.begun
    first.finish()
    await Promise.all([running, ...all])
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('aborts 10 000 waits at once, and leaves no listener either', async () => {
    const limiter = limiterOf()
    const first = work()
    const running = limiter.run(first.fn)
    const controller = new AbortController()
    const { signal } = controller
    const all = Array.from({ length: 10_000 }, () => limiter.run(() => 1, { signal }))
    controller.abort()
    const told = await Promise.allSettled(all)
    expect(told.every(({ reason }) => reason === signal.reason)).toBe(true)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(limiter.stats()).toMatchObject({ waiting: 0, aborted: 10_000 })
    first.finish()
    await running
  })
})

describe('time', () => {
  test('that is over while a run waits is told in the words of permits', async () => {
    const limiter = limiterOf({ queueTimeoutMs: 10, requestsPerSecond: 50 })
    const first = work()
    const running = limiter.run(first.fn)
    async function caller() {
      await limiter.run(() => 1)
    }
    const error = await caller().catch((error) => error)
    expect(error).toBeInstanceOf(PoolError)
    expect(error.code).toBe('ERR_POOL_ACQUIRE_TIMEOUT')
    expect(error.message).toBe(
      'the run could not start within 10 ms (queueTimeoutMs): 1 of at most 1 at work, 1 waiting, at most 50 a second may start',
    )
    expect(`${error}`).not.toMatch(/connection|blender/i)
    expect(error.retryable).toBe(true)
    expect(error.stack).toMatch(/at (async )?caller /)
    first.finish()
    await running
    expect(limiter.stats()).toMatchObject({ timeouts: 1, started: 1, waiting: 0 })
  })

  test("of a caller's own is over while its run waits, and while it is at work", async () => {
    const limiter = limiterOf()
    const first = work()
    const late = await limiter.run(first.fn, { timeoutMs: 5 }).catch((error) => error)
    expect(late).toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT', delivered: 'maybe' })
    expect(`${late}`).not.toMatch(/connection|blender/i)
    expect(first.signal.reason).toBe(late)
    const waited = await limiter.run(() => 1, { timeoutMs: 5 }).catch((error) => error)
    expect(waited).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no' })
    expect(waited.message).toContain('(timeoutMs)')
    expect(limiter.stats()).toMatchObject({ running: 1, abandoned: 1, waiting: 0, timeouts: 2 })
    first.finish()
    expect(await limiter.run(() => 'free')).toBe('free')
  })

  test('that is over for a waiter never blocks those after it: 1 000 rounds', async () => {
    const limiter = limiterOf({ queueTimeoutMs: 1 })
    for (let round = 0; round < 1_000; round++) {
      const first = work()
      const running = limiter.run(first.fn)
      await first.begun
      const late = limiter.run(() => 'began')
      // Every other round the permit comes free at the very moment of the timeout, or before it.
      if (round % 2 === 0) expect(await codeOf(late)).toBe('ERR_POOL_ACQUIRE_TIMEOUT')
      first.finish()
      await running
      await codeOf(late)
    }
    expect(limiter.stats()).toMatchObject({ running: 0, waiting: 0 })
    expect(await limiter.run(() => 'free')).toBe('free')
  })

  test('a full queue refuses at once, by maxWaiting', async () => {
    const limiter = limiterOf({ maxWaiting: 1 })
    const first = work()
    const running = limiter.run(first.fn)
    const waiting = limiter.run(() => 'waited')
    const error = await limiter.run(() => 1).catch((error) => error)
    expect(error).toMatchObject({
      code: 'ERR_POOL_QUEUE_FULL',
      message: 'maxWaiting (1) runs wait already: 1 of at most 1 at work, 1 waiting',
    })
    expect(`${error}`).not.toMatch(/connection|blender/i)
    await first.begun
    first.finish()
    expect(await waiting).toBe('waited')
    await running
  })

  test('maxWaiting counts those who wait for the rate too', async () => {
    const limiter = limiterOf({ maxConcurrent: 8, maxWaiting: 0, requestsPerMinute: 2 })
    expect(await limiter.run(() => 1)).toBe(1)
    expect(await Promise.all([limiter.run(() => 2), codeOf(limiter.run(() => 3))])).toEqual([
      2,
      'ERR_POOL_QUEUE_FULL',
    ])
  })
})

describe('callers with one key', () => {
  test('share one run, whether it waits or is at work', async () => {
    const limiter = limiterOf()
    const first = work()
    const shared = work()
    const running = limiter.run(first.fn)
    const waiting = limiter.run(shared.fn, { key: 'k' })
    const joined = limiter.run(() => 'never', { key: 'k' })
    await first.begun
    first.finish()
    await shared.begun
    const late = limiter.run(() => 'never', { key: 'k' })
    shared.finish('shared')
    expect(await Promise.all([waiting, joined, late])).toEqual(['shared', 'shared', 'shared'])
    await running
    expect(shared.calls).toBe(1)
    expect(limiter.stats()).toMatchObject({ joined: 2, started: 2, succeeded: 2 })
    expect(await limiter.run(() => 'anew', { key: 'k' })).toBe('anew')
  })

  test('share its failure too', async () => {
    const limiter = limiterOf()
    const shared = work()
    const both = [limiter.run(shared.fn, { key: 1 }), limiter.run(shared.fn, { key: '1' })]
    await shared.begun
    const reason = new Error('failed')
    shared.fail(reason)
    for (const one of both) await expect(one).rejects.toBe(reason)
    expect(limiter.stats()).toMatchObject({ failed: 1, joined: 1 })
  })

  test('leave one by one, and only the last one stops it', async () => {
    const limiter = limiterOf()
    const shared = work()
    const controllers = [1, 2, 3].map(() => new AbortController())
    const calls = controllers.map(({ signal }) => limiter.run(shared.fn, { key: 'k', signal }))
    await shared.begun
    controllers[0].abort(new Error('first'))
    await expect(calls[0]).rejects.toThrow('first')
    expect(shared.signal.aborted).toBe(false)
    controllers[2].abort(new Error('third'))
    await expect(calls[2]).rejects.toThrow('third')
    expect(shared.signal.aborted).toBe(false)
    controllers[1].abort(new Error('second'))
    await expect(calls[1]).rejects.toThrow('second')
    expect(shared.signal.reason.message).toBe('second')
    expect(limiter.stats()).toMatchObject({ running: 1, abandoned: 1, aborted: 3 })
    shared.finish()
  })

  test('get a new run as soon as the last caller of the old one has gone', async () => {
    const limiter = limiterOf({ maxConcurrent: 2 })
    const old = work()
    const controller = new AbortController()
    const gone = limiter.run(old.fn, { key: 'k', signal: controller.signal, cacheTtlMs: 60_000 })
    await old.begun
    controller.abort()
    const fresh = limiter.run(() => 'fresh', { key: 'k', cacheTtlMs: 60_000 })
    await expect(gone).rejects.toBe(controller.signal.reason)
    expect(await fresh).toBe('fresh')
    // What the old one gives now is kept for nobody.
    old.finish('stale')
    await turn()
    expect(await limiter.run(() => 'anew', { key: 'k', cacheTtlMs: 60_000 })).toBe('fresh')
    expect(limiter.stats()).toMatchObject({ started: 2, joined: 0, cacheHits: 1 })
  })

  test('have each its own time', async () => {
    const limiter = limiterOf()
    const shared = work()
    const patient = limiter.run(shared.fn, { key: 'k' })
    const hasty = limiter.run(shared.fn, { key: 'k', timeoutMs: 1 })
    await expect(hasty).rejects.toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT' })
    expect(shared.signal.aborted).toBe(false)
    shared.finish('patient')
    expect(await patient).toBe('patient')
  })
})

describe('kept results', () => {
  const kept = { key: 'k', cacheTtlMs: 60_000 }

  test('are given to those who take one, until they are too old', async () => {
    const limiter = limiterOf()
    const now = jest.spyOn(performance, 'now').mockReturnValue(1_000)
    try {
      expect(await limiter.run(() => 'first', { key: 'k', cacheTtlMs: 50 })).toBe('first')
      now.mockReturnValue(1_049)
      expect(await limiter.run(() => 'second', { key: 'k', cacheTtlMs: 50 })).toBe('first')
      expect(limiter.stats()).toMatchObject({ cached: 1, cacheHits: 1, started: 1 })
      now.mockReturnValue(1_050)
      expect(limiter.stats().cached).toBe(0)
      expect(await limiter.run(() => 'third', { key: 'k', cacheTtlMs: 50 })).toBe('third')
    } finally {
      now.mockRestore()
    }
  })

  test('are only of those with a cacheTtlMs, and only of success', async () => {
    const limiter = limiterOf()
    await limiter.run(() => 'no ttl', { key: 'k' })
    await codeOf(limiter.run(() => Promise.reject(new Error('failed')), kept))
    expect(limiter.stats().cached).toBe(0)
    expect(await limiter.run(() => 'good', kept)).toBe('good')
    // Who does not take an old result gets a new one.
    expect(await limiter.run(() => 'new', { key: 'k' })).toBe('new')
    expect(await limiter.run(() => 'newer', kept)).toBe('good')
  })

  test('are at most maxCached, the oldest goes first', async () => {
    const limiter = limiterOf({ maxCached: 2 })
    const ask = (key) => limiter.run(() => key, { key, cacheTtlMs: 60_000 })
    for (const key of ['a', 'b', 'c']) await ask(key)
    expect(limiter.stats().cached).toBe(2)
    await ask('b')
    await ask('c')
    expect(limiter.stats()).toMatchObject({ cacheHits: 2, started: 3 })
    await ask('a')
    expect(limiter.stats()).toMatchObject({ cacheHits: 2, started: 4 })
  })

  test('are none with maxCached: 0', async () => {
    const limiter = limiterOf({ maxCached: 0 })
    await limiter.run(() => 'first', kept)
    expect(await limiter.run(() => 'second', kept)).toBe('second')
  })

  test('are forgotten by clear(), and none is kept of a run from before it', async () => {
    const limiter = limiterOf()
    await limiter.run(() => 'old', kept)
    limiter.clear()
    const before = work()
    const running = limiter.run(before.fn, kept)
    await before.begun
    limiter.clear()
    before.finish('from before')
    expect(await running).toBe('from before')
    expect(await limiter.run(() => 'after', kept)).toBe('after')
    expect(limiter.stats()).toMatchObject({ cacheHits: 0, cached: 1 })
  })
})

describe('clear()', () => {
  test('turns away all who wait, at once, with its reason; what runs goes on', async () => {
    const limiter = limiterOf()
    const first = work()
    const running = limiter.run(first.fn)
    await first.begun
    const fn = jest.fn()
    const waiting = [limiter.run(fn), limiter.run(fn, { key: 'k' }), limiter.run(fn, { key: 'k' })]
    limiter.clear('a new scene')
    expect(limiter.stats()).toMatchObject({ waiting: 0, cleared: 3, running: 1 })
    for (const one of waiting) {
      const error = await one.catch((error) => error)
      expect(error).toMatchObject({ code: 'ERR_POOL_CLEARED', message: 'a new scene' })
      expect(`${error}`).not.toMatch(/connection|blender|ready\(\)/i)
    }
    const after = limiter.run(() => 'after', { key: 'k' })
    first.finish('on')
    expect(await running).toBe('on')
    expect(await after).toBe('after')
    expect(fn).not.toHaveBeenCalled()
  })

  test('leaves what runs to those who wait for it: who comes later has a run of their own', async () => {
    const limiter = limiterOf({ maxConcurrent: 2 })
    const before = work()
    const old = limiter.run(before.fn, { key: 'scene' })
    await before.begun
    limiter.clear()
    expect(await limiter.run(() => 'new', { key: 'scene' })).toBe('new')
    before.finish('old')
    expect(await old).toBe('old')
    expect(limiter.stats().joined).toBe(0)
  })

  test('turns away what was granted and has not begun', async () => {
    const limiter = limiterOf({ requestsPerMinute: 1 })
    const fn = jest.fn()
    const granted = limiter.run(fn)
    limiter.clear()
    expect(await codeOf(granted)).toBe('ERR_POOL_CLEARED')
    expect(fn).not.toHaveBeenCalled()
    expect(await limiter.run(() => 'counts')).toBe('counts')
  })

  test('turns away those whose permit is on its way', async () => {
    const limiter = limiterOf()
    const first = work()
    const running = limiter.run(first.fn)
    await first.begun
    const fn = jest.fn()
    // One with a priority waits in native code, whose answer comes on a later turn.
    const waiting = limiter.run(fn, { priority: 1 })
    first.finish()
    await running
    limiter.clear()
    expect(await codeOf(waiting)).toBe('ERR_POOL_CLEARED')
    expect(await limiter.run(() => 'free')).toBe('free')
    expect(fn).not.toHaveBeenCalled()
  })

  test('takes only a text', () => {
    expect(() => limiterOf().clear(5)).toThrow(
      expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }),
    )
  })
})

describe('close()', () => {
  test('turns away all who wait, and lets finish what runs', async () => {
    const limiter = limiterOf()
    const first = work()
    const running = limiter.run(first.fn)
    await first.begun
    const fn = jest.fn()
    const waiting = [limiter.run(fn), limiter.run(fn)]
    const closing = limiter.close()
    expect(limiter.state).toBe('closing')
    expect(limiter.close()).toBe(closing)
    expect(await Promise.all(waiting.map(codeOf))).toEqual(['ERR_POOL_CLOSED', 'ERR_POOL_CLOSED'])
    first.finish('finished')
    expect(await running).toBe('finished')
    expect(await closing).toEqual({
      failedWaiters: 2,
      cut: 0,
      durationMs: expect.any(Number),
    })
    expect(limiter.state).toBe('closed')
    expect(fn).not.toHaveBeenCalled()
  })

  test('aborts after its time what has not settled, and tells its callers', async () => {
    const limiter = limiterOf({ maxConcurrent: 2 })
    const first = work()
    const second = work()
    const calls = [
      limiter.run(first.fn, { key: 'k' }),
      limiter.run(first.fn, { key: 'k' }),
      limiter.run(second.fn),
    ]
    await second.begun
    const report = await limiter.close({ timeoutMs: 5 })
    expect(report).toMatchObject({ cut: 2, failedWaiters: 0 })
    for (const call of calls) {
      const error = await call.catch((error) => error)
      expect(error).toMatchObject({ code: 'ERR_POOL_CLOSED', delivered: 'maybe' })
      expect(`${error}`).not.toMatch(/connection|blender/i)
    }
    expect(first.signal.reason).toMatchObject({ code: 'ERR_POOL_CLOSED' })
    expect(second.signal.aborted).toBe(true)
    expect(limiter.stats()).toMatchObject({ running: 2, abandoned: 2, state: 'closed' })
    first.fail(new Error('nobody listens'))
    second.finish()
    await turn()
    expect(limiter.stats()).toMatchObject({ running: 0, abandoned: 0, failed: 1, succeeded: 1 })
  })

  test('refuses what was granted and has not begun, and what comes later', async () => {
    const limiter = limiterOf()
    const fn = jest.fn()
    await limiter.run(() => 'kept', { key: 'k', cacheTtlMs: 60_000 })
    const granted = limiter.run(fn)
    const closing = limiter.close({ timeoutMs: 0 })
    const late = [limiter.run(fn), limiter.run(fn, { key: 'k', cacheTtlMs: 60_000 })]
    expect(await Promise.all([granted, ...late].map(codeOf))).toEqual(
      Array(3).fill('ERR_POOL_CLOSED'),
    )
    expect(await closing).toMatchObject({ cut: 0 })
    expect(await codeOf(limiter.run(fn))).toBe('ERR_POOL_CLOSED')
    expect(fn).not.toHaveBeenCalled()
    limiter.clear()
  })

  test('refuses wrong options and stays open', async () => {
    const limiter = limiterOf()
    for (const options of [{ timeoutMs: -1 }, { force: 1 }, 5, null]) {
      expect(await codeOf(limiter.close(options))).toBe('ERR_POOL_INVALID_OPTION')
    }
    expect(await limiter.run(() => 'open')).toBe('open')
  })

  test('with force cuts at once, also where a patient one has begun', async () => {
    for (const patient of [true, false]) {
      const limiter = limiterOf()
      const { begun, fn } = work()
      const running = codeOf(limiter.run(fn))
      await begun
      const first = patient && limiter.close({ timeoutMs: 60_000 })
      const forced = limiter.close({ force: true })
      if (patient) expect(forced).toBe(first)
      expect(await forced).toMatchObject({ cut: 1, failedWaiters: 0 })
      expect(await running).toBe('ERR_POOL_CLOSED')
      expect(await limiter.close({ force: true })).toMatchObject({ cut: 1 })
    }
  })

  test('is what a shutdown does, in time or without any', async () => {
    for (const deadlineMs of [1, 10_000]) {
      const limiter = limiterOf()
      const registry = new ShutdownRegistry({ deadlineMs })
      registry.registerPool(limiter)
      if (deadlineMs === 1) registry.register('slow', () => new Promise(() => {}))
      const { handlers } = await registry.run()
      expect(handlers.at(-1).name).toBe(limiter.name)
      expect(handlers.at(-1).status).not.toBe('failed')
      expect(limiter.state).toBe('closed')
    }
  })

  test('is what the end of a block does', async () => {
    const limiter = limiterOf()
    await limiter[Symbol.asyncDispose]()
    expect(limiter.state).toBe('closed')
  })
})

test('stats() and inspect() show what there is', async () => {
  const limiter = limiterOf({ name: 'api', maxConcurrent: 2, requestsPerSecond: 5 })
  const first = work()
  const running = limiter.run(first.fn)
  await first.begun
  const times = { count: 1, p50: 0, p95: 0, p99: 0, max: 0 }
  const some = Object.fromEntries(Object.keys(times).map((name) => [name, expect.any(Number)]))
  expect(limiter.stats()).toEqual({
    name: 'api',
    state: 'ready',
    maxConcurrent: 2,
    running: 1,
    abandoned: 0,
    waiting: 0,
    cached: 0,
    started: 1,
    succeeded: 0,
    failed: 0,
    aborted: 0,
    timeouts: 0,
    joined: 0,
    cacheHits: 0,
    cleared: 0,
    waitMs: { ...some, count: 1 },
    runMs: { ...some, count: 0 },
    rate: {
      perSecond: 5,
      perMinute: null,
      lastSecond: expect.any(Number),
      lastMinute: 1,
      remainingPerSecond: expect.any(Number),
      remainingPerMinute: null,
    },
  })
  expect(require('node:util').inspect(limiter)).toBe(
    "Limiter { name: 'api', state: 'ready', maxConcurrent: 2, running: 1, waiting: 0 }",
  )
  first.finish()
  await running
  expect(limiter.stats().runMs.count).toBe(1)
})
