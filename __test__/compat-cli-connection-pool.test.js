'use strict'

// The old command-line pool's public face over this package's limiter: places, rate, keys, tokens, and the
// words of its errors.

const {
  ApiConnectionPoolManager,
  ConnectionPool,
  getApiConnectionPoolManager,
} = require('blender-pool/compat/cli-connection-pool')
const { EventEmitter, getEventListeners } = require('node:events')
const { PoolError } = require('..')
const { outcome, turn } = require('./support/arena')
const { runScript } = require('./support/child')
const { warnings } = require('./support/compat')
const { afterwards } = require('./support/stage')

const numbers = (count) => Array.from({ length: count }, (_, n) => n)

/** A promise that the test settles. */
function deferred() {
  const made = {}
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}

/** A pool whose runs have all ended when the test has. */
function callPool(options, name) {
  const pool = new ConnectionPool({ maxConnections: 1, ...options }, name)
  afterwards(() => pool.shutdown())
  return pool
}

/** One call that is at work until `end()`. */
async function occupied(pool) {
  const begun = deferred()
  const held = deferred()
  const done = pool.execute(() => {
    begun.resolve()
    return held.promise
  })
  await begun.promise
  afterwards(() => held.resolve())
  return { done, end: held.resolve }
}

/** A token as the old tool had: it takes no listener back. */
class Token {
  listeners = []
  isCancelled = false

  onCancellationRequested(listener) {
    if (this.isCancelled) listener()
    else this.listeners.push(listener)
  }

  throwIfCancellationRequested() {
    if (this.isCancelled) throw Object.assign(new Error('the token’s own'), { name: 'Own' })
  }

  cancel() {
    this.isCancelled = true
    for (const listener of this.listeners.splice(0)) listener()
  }
}

/** One that gives back an unsubscribe function, and is asked by a method. */
class ForgettingToken {
  #emitter = new EventEmitter()
  #isCancelled = false

  get listeners() {
    return this.#emitter.listeners('cancel')
  }

  isCancelled() {
    return this.#isCancelled
  }

  onCancellationRequested(listener) {
    this.#emitter.on('cancel', listener)
    return () => this.#emitter.off('cancel', listener)
  }

  cancel() {
    this.#isCancelled = true
    this.#emitter.emit('cancel')
  }
}

/** One that gives back a disposable. */
class DisposingToken extends ForgettingToken {
  onCancellationRequested(listener) {
    const dispose = super.onCancellationRequested(listener)
    return { dispose }
  }
}

/** An AbortSignal, in the same clothes. */
class SignalToken {
  #controller = new AbortController()
  token = this.#controller.signal

  get listeners() {
    return getEventListeners(this.token, 'abort')
  }

  cancel() {
    this.#controller.abort()
  }
}

const TOKENS = [
  ['a plain token', Token, 1],
  ['a token with an unsubscribe function', ForgettingToken, 0],
  ['a token with a disposable', DisposingToken, 0],
  ['an AbortSignal', SignalToken, 0],
]

/** What is given to execute(). */
const given = (source) => source.token ?? source

describe('places', () => {
  test('are never exceeded, and every call is served', async () => {
    const pool = callPool({ maxConnections: 5 })
    let inside = 0
    let most = 0
    const answers = await Promise.all(
      numbers(200).map((n) =>
        pool.execute(async () => {
          most = Math.max(most, ++inside)
          expect(pool.getStats().activeConnections).toBeLessThanOrEqual(5)
          await turn()
          inside--
          return n
        }),
      ),
    )
    expect(answers).toEqual(numbers(200))
    expect(most).toBe(5)
    expect(pool.getStats()).toMatchObject({ activeConnections: 0, queuedRequests: 0 })
  })

  test('go to those who wait in the order in which they came', async () => {
    const pool = callPool()
    const order = []
    const first = await occupied(pool)
    const waiting = numbers(20).map((n) => pool.execute(async () => order.push(n)))
    first.end()
    await Promise.all(waiting)
    expect(order).toEqual(numbers(20))
  })

  test('come back from calls that fail, however they do', async () => {
    const pool = callPool()
    const wrong = new Error('no')
    await expect(
      pool.execute(() => {
        throw wrong
      }),
    ).rejects.toBe(wrong)
    await expect(pool.execute(() => Promise.reject(wrong))).rejects.toBe(wrong)
    const another = new PoolError({ code: 'ERR_POOL_CLOSED', message: 'some other pool’s' })
    await expect(pool.execute(() => Promise.reject(another))).rejects.toBe(another)
    expect(await pool.execute(async () => 'yes')).toBe('yes')
  })

  test('are waited for as long as queueTimeout, and then no more', async () => {
    const pool = callPool({ queueTimeout: 20 })
    const first = await occupied(pool)
    const { error } = await outcome(pool.execute(async () => 'never'))
    expect(error.message).toBe('Connection pool timeout after 20ms')
    expect(error).toMatchObject({ code: 'ERR_POOL_ACQUIRE_TIMEOUT', delivered: 'no' })
    first.end()
    expect(await pool.execute(async () => 'next')).toBe('next')
  })

  test('are there again after a thousand waiters gave up', async () => {
    const pool = callPool({ queueTimeout: 1 })
    const first = await occupied(pool)
    const outcomes = await Promise.all(
      numbers(1_000).map(() => outcome(pool.execute(async () => 'never'))),
    )
    expect(outcomes.filter(({ error }) => error === undefined)).toEqual([])
    expect(pool.getStats()).toMatchObject({ activeConnections: 1, queuedRequests: 0 })
    first.end()
    expect(await pool.execute(async () => 'next')).toBe('next')
  })
})

describe('the rate', () => {
  test('of a second is kept within any second', async () => {
    const pool = callPool({ maxConnections: 10, requestsPerSecond: 5 })
    const starts = []
    await Promise.all(numbers(11).map(() => pool.execute(async () => starts.push(Date.now()))))
    // The clock of the starts is in whole milliseconds.
    for (let n = 5; n < starts.length; n++) {
      expect(starts[n] - starts[n - 5]).toBeGreaterThanOrEqual(999)
    }
  })

  test('is no reason to give up', async () => {
    const pool = callPool({ maxConnections: 10, requestsPerSecond: 1, queueTimeout: 1 })
    const answers = await Promise.all(numbers(3).map((n) => pool.execute(async () => n)))
    expect(answers).toEqual([0, 1, 2])
  })

  test('and the places show in the statistics', async () => {
    const pool = callPool({
      maxConnections: 2,
      requestsPerSecond: 100,
      requestsPerMinute: 200,
      enableDeduplication: false,
    })
    const first = await occupied(pool)
    expect(pool.getStats()).toEqual({
      activeConnections: 1,
      maxConnections: 2,
      queuedRequests: 0,
      utilization: 50,
      rateLimitStatus: {
        requestsLastSecond: 1,
        requestsLastMinute: 1,
        remainingPerSecond: 99,
        remainingPerMinute: 199,
      },
    })
    first.end()
    await first.done
  })

  test('has no end where none is set', async () => {
    for (const requestsPerSecond of [0, undefined, Infinity, Number.NaN, -1]) {
      const pool = callPool({ requestsPerSecond })
      await pool.execute(async () => {})
      expect(pool.getStats().rateLimitStatus).toEqual({
        requestsLastSecond: 1,
        requestsLastMinute: 1,
        remainingPerSecond: Infinity,
        remainingPerMinute: Infinity,
      })
    }
  })
})

describe('a key', () => {
  test('makes one run of several calls, and keeps what it gave', async () => {
    const pool = callPool()
    let runs = 0
    const call = () => pool.execute(async () => ++runs, undefined, 'create cube')
    expect(await Promise.all([call(), call(), call()])).toEqual([1, 1, 1])
    expect(await call()).toBe(1)
    expect(pool.getStats().deduplicationStats).toEqual({
      pendingRequests: 0,
      cachedResults: 1,
      cacheHitRate: 75,
    })
    expect(await pool.execute(async () => ++runs)).toBe(2)
  })

  test('keeps a result for deduplicationTtl and no longer', async () => {
    const pool = callPool({ deduplicationTtl: 1 })
    let runs = 0
    while (runs < 2) {
      await pool.execute(async () => ++runs, undefined, 'key')
      await turn()
    }
    expect(runs).toBe(2)
  })

  test('keeps no failure', async () => {
    const pool = callPool()
    const call = (fn) => outcome(pool.execute(fn, undefined, 'key'))
    const both = await Promise.all([
      call(() => Promise.reject(new Error('no'))),
      call(async () => 'not asked'),
    ])
    expect(both.map(({ error }) => error.message)).toEqual(['no', 'no'])
    expect(await call(async () => 'yes')).toEqual({ value: 'yes' })
  })

  test('of a run that failed begins anew at once, with a patience of its own', async () => {
    const pool = callPool({ queueTimeout: 100 })
    const begun = deferred()
    const held = deferred()
    const work = () => {
      begun.resolve()
      return held.promise
    }
    const calls = [1, 2].map(() => outcome(pool.execute(work, undefined, 'key')))
    await begun.promise
    const next = occupied(pool)
    // Somebody else has the place by now, and the others of the run have not gone on yet.
    const again = calls[0].then(() => outcome(pool.execute(work, undefined, 'key')))
    held.reject(new Error('no'))
    expect((await again).error.message).toBe('Connection pool timeout after 100ms')
    await Promise.all([next, ...calls])
  })

  test('whose last caller has cancelled is free for a new run, which waits for its own place', async () => {
    const pool = callPool({ queueTimeout: 1 })
    const controller = new AbortController()
    const begun = deferred()
    const held = deferred()
    const work = () => {
      begun.resolve()
      return held.promise
    }
    const first = outcome(pool.execute(work, controller.signal, 'key'))
    await begun.promise
    controller.abort()
    const next = outcome(pool.execute(async () => 'never', undefined, 'key'))
    expect((await first).error.message).toBe('Operation was cancelled')
    expect((await next).error.message).toBe('Connection pool timeout after 1ms')
    held.resolve()
    expect(await pool.execute(async () => 'now', undefined, 'key')).toBe('now')
  })

  test('means nothing without deduplication', async () => {
    const pool = callPool({ enableDeduplication: false })
    let runs = 0
    const call = () => pool.execute(async () => ++runs, undefined, 'key')
    expect(await Promise.all([call(), call()])).toEqual([1, 2])
    expect(await call()).toBe(3)
    expect(pool.getStats()).not.toHaveProperty('deduplicationStats')
  })

  test('may be as long as it likes', async () => {
    const pool = callPool()
    const long = 'x'.repeat(100_000)
    let runs = 0
    const call = (key) => pool.execute(async () => ++runs, undefined, key)
    expect(await Promise.all([call(long), call(long), call(`${long}y`)])).toEqual([1, 1, 2])
  })

  test('lets a call wait for a run at work longer than for a place', async () => {
    const pool = callPool({ queueTimeout: 1 })
    const begun = deferred()
    const held = deferred()
    const work = () => {
      begun.resolve()
      return held.promise
    }
    const first = pool.execute(work, undefined, 'key')
    await begun.promise
    const joined = pool.execute(work, undefined, 'key')
    // Somebody who waits for a place meanwhile does give up.
    await expect(pool.execute(async () => {})).rejects.toThrow('Connection pool timeout after 1ms')
    held.resolve('done')
    expect(await Promise.all([first, joined])).toEqual(['done', 'done'])
  })
})

describe.each(TOKENS)('%s', (_what, Source, keeps) => {
  test('that is cancelled frees a waiter at once', async () => {
    const pool = callPool()
    const first = await occupied(pool)
    const source = new Source()
    let ran = false
    const waiting = outcome(
      pool.execute(async () => {
        ran = true
      }, given(source)),
    )
    await turn()
    expect(pool.getStats().queuedRequests).toBe(1)
    source.cancel()
    const { error } = await waiting
    expect(error).toMatchObject({
      name: 'CancellationError',
      message: 'Connection pool wait was cancelled',
    })
    expect(pool.getStats().queuedRequests).toBe(0)
    first.end()
    await first.done
    await pool.execute(async () => {})
    expect(ran).toBe(false)
    expect(source.listeners).toEqual([])
  })

  test('that is cancelled rejects a running call at once, and its function is told', async () => {
    const pool = callPool()
    const source = new Source()
    const begun = deferred()
    const held = deferred()
    afterwards(() => held.resolve())
    const running = outcome(
      pool.execute((signal) => {
        begun.resolve(signal)
        return held.promise
      }, given(source)),
    )
    const signal = await begun.promise
    expect(signal.aborted).toBe(false)
    source.cancel()
    const { error } = await running
    expect(error).toMatchObject({
      name: 'CancellationError',
      message: 'Operation was cancelled',
    })
    expect(signal.aborted).toBe(true)
    // Its place is taken until it has really ended: else one too many would run.
    expect(pool.getStats().activeConnections).toBe(1)
    held.resolve()
    expect(await pool.execute(async () => 'next')).toBe('next')
  })

  test('that was cancelled before starts nothing', async () => {
    const pool = callPool()
    const source = new Source()
    source.cancel()
    const { error } = await outcome(pool.execute(async () => 'never', given(source)))
    expect(error.message).toMatch(/the token’s own|Operation was cancelled/)
    expect(pool.getStats().rateLimitStatus.requestsLastMinute).toBe(0)
  })

  test('that lives long is left as it was after 10 000 waits', async () => {
    const pool = callPool({ maxConnections: 2 })
    const source = new Source()
    const calls = numbers(10_000).map((n) => pool.execute(async () => n, given(source)))
    expect(source.listeners).toHaveLength(1)
    expect(await Promise.all(calls)).toEqual(numbers(10_000))
    expect(source.listeners).toHaveLength(keeps)
    // And it still works.
    const first = await occupied(pool)
    const second = await occupied(pool)
    const waiting = outcome(pool.execute(async () => {}, given(source)))
    source.cancel()
    expect((await waiting).error.name).toBe('CancellationError')
    first.end()
    second.end()
  })

  test('of one caller leaves the others of its key alone', async () => {
    const pool = callPool()
    const source = new Source()
    const begun = deferred()
    const held = deferred()
    const work = (signal) => {
      begun.resolve(signal)
      return held.promise
    }
    const one = outcome(pool.execute(work, given(source), 'key'))
    const other = pool.execute(work, undefined, 'key')
    const signal = await begun.promise
    source.cancel()
    expect((await one).error.name).toBe('CancellationError')
    expect(signal.aborted).toBe(false)
    held.resolve('done')
    expect(await other).toBe('done')
  })
})

test('a token that can only be asked is asked', async () => {
  const pool = callPool()
  expect(await pool.execute(async () => 1, { isCancelled: false })).toBe(1)
  await expect(pool.execute(async () => 1, { isCancelled: () => true })).rejects.toThrow(
    'Operation was cancelled',
  )
  expect(await pool.execute(async () => 2, null)).toBe(2)
})

test('a token that cannot be listened to fails its call, and nothing is left of that', async () => {
  const pool = callPool()
  const token = {
    onCancellationRequested() {
      throw new Error('deaf')
    },
  }
  await expect(pool.execute(async () => {}, token, 'key')).rejects.toThrow('deaf')
  expect(pool.getStats().deduplicationStats.pendingRequests).toBe(0)
})

test('the reason of an AbortSignal is the cause', async () => {
  const pool = callPool()
  const reason = new Error('enough')
  const { error } = await outcome(pool.execute(async () => {}, AbortSignal.abort(reason)))
  expect(error.cause).toBe(reason)
})

describe('clearQueue', () => {
  test('rejects what waits and leaves what runs', async () => {
    const pool = callPool()
    const first = await occupied(pool)
    const waiting = outcome(pool.execute(async () => 'never'))
    pool.clearQueue()
    const { error } = await waiting
    expect(error.message).toBe('Connection pool queue cleared')
    expect(error).toMatchObject({ code: 'ERR_POOL_CLEARED', cause: { code: 'ERR_POOL_CLEARED' } })
    const again = outcome(pool.execute(async () => 'never'))
    pool.clearQueue('the task was given up')
    expect((await again).error.message).toBe('the task was given up')
    first.end('done')
    expect(await first.done).toBe('done')
    expect(await pool.execute(async () => 'next')).toBe('next')
  })
})

describe('shutdown', () => {
  test('rejects what waits and what comes, and waits for what runs', async () => {
    const pool = callPool()
    const first = await occupied(pool)
    let started = 0
    const start = async () => ++started
    const waiting = outcome(pool.execute(start))
    let isOver = false
    const ending = pool.shutdown().then(() => {
      isOver = true
    })
    const late = outcome(pool.execute(start))
    for (const { error } of await Promise.all([waiting, late])) {
      expect(error.message).toBe('Connection pool is shutting down')
      expect(error.code).toBe('ERR_POOL_CLOSED')
    }
    await turn()
    expect(isOver).toBe(false)
    first.end()
    await ending
    await expect(pool.shutdown()).resolves.toBeUndefined()
    await expect(pool.execute(start)).rejects.toThrow('Connection pool is shutting down')
    expect(started).toBe(0)
  })

  test('starts nothing that waited for the rate', async () => {
    const pool = callPool({ maxConnections: 5, requestsPerMinute: 1 })
    let started = 0
    const calls = numbers(3).map(() => outcome(pool.execute(async () => ++started)))
    await calls[0]
    await pool.shutdown()
    const outcomes = await Promise.all(calls)
    expect(outcomes.map(({ error }) => error?.message)).toEqual([
      undefined,
      'Connection pool is shutting down',
      'Connection pool is shutting down',
    ])
    expect(started).toBe(1)
  })
})

test.each([
  [{ maxConnections: 0 }],
  [{ maxConnections: -3, queueTimeout: -1, deduplicationTtl: -1 }],
  [{ maxConnections: Infinity, queueTimeout: Infinity, deduplicationTtl: Infinity }],
  [{ maxConnections: 2.5, requestsPerSecond: 0.5, requestsPerMinute: 1e12, queueTimeout: 0 }],
  [{ maxConnections: '4', unknown: true }],
])('%p are accepted, and work', async (options) => {
  const pool = callPool(options, '')
  expect(await pool.execute(async () => 1, undefined, 'key')).toBe(1)
})

describe('the manager', () => {
  test('has pools by name, and one for everything else', async () => {
    const heard = warnings()
    const manager = new ApiConnectionPoolManager()
    afterwards(() => manager.shutdown())
    const api = manager.createPool('api', { maxConnections: 3 })
    expect(manager.getPool('api')).toBe(api)
    expect(manager.getPool()).not.toBe(api)
    expect(manager.getPool('none')).toBe(manager.getPool())
    expect(heard).toEqual([['BlenderPoolWarning', "Pool 'none' not found, using default pool"]])
    expect(await manager.execute(async () => 'api', 'api')).toBe('api')
    expect(await manager.execute(async () => 'default')).toBe('default')
    const { default: main, api: named } = manager.getAllStats()
    expect(main).toMatchObject({
      maxConnections: 10,
      rateLimitStatus: { requestsLastMinute: 1, remainingPerSecond: 9, remainingPerMinute: 59 },
    })
    expect(named).toMatchObject({ maxConnections: 3, rateLimitStatus: { requestsLastMinute: 1 } })
  })

  test('passes token and key on', async () => {
    const manager = new ApiConnectionPoolManager({ maxConnections: 1 })
    afterwards(() => manager.shutdown())
    const call = () => manager.execute(async () => ({}), undefined, undefined, 'key')
    expect(await call()).toBe(await call())
    await expect(manager.execute(async () => {}, undefined, AbortSignal.abort())).rejects.toThrow(
      'Operation was cancelled',
    )
  })

  test('shuts all of them down', async () => {
    const manager = new ApiConnectionPoolManager()
    const api = manager.createPool('api', { maxConnections: 1 })
    await manager.shutdown()
    for (const call of [() => manager.execute(async () => {}), () => api.execute(async () => {})]) {
      await expect(call()).rejects.toThrow('Connection pool is shutting down')
    }
    expect(Object.keys(manager.getAllStats())).toEqual(['default'])
  })

  test('is one for the process', () => {
    const manager = getApiConnectionPoolManager({ maxConnections: 2 })
    expect(manager.getPool().getStats().maxConnections).toBe(2)
    expect(getApiConnectionPoolManager({ maxConnections: 9 })).toBe(manager)
  })
})

test('a process that made pools and used them ends by itself, with nothing left unhandled', async () => {
  const ended = await runScript(`
    const { ConnectionPool: OldPool, getApiConnectionPoolManager } =
      require('blender-pool/compat/cli-connection-pool')
    ;(async () => {
      const manager = getApiConnectionPoolManager()
      await manager.execute(async () => 1, undefined, undefined, 'key')
      const pool = new OldPool({ maxConnections: 1, queueTimeout: 1, requestsPerSecond: 2 })
      const seen = (promise) => promise.then(() => 'fine', ({ message }) => message)
      const controller = new AbortController()
      const late = (signal) => new Promise((_, reject) => {
        signal.addEventListener('abort', () => setImmediate(reject, new Error('nobody is left to hear')))
      })
      const hanging = seen(pool.execute(late, controller.signal))
      const said = [await seen(pool.execute(async () => {}))]
      controller.abort()
      said.push(await hanging)
      const other = new OldPool({ maxConnections: 1, requestsPerMinute: 1 })
      await other.execute(async () => {})
      const last = [1, 2].map(() => seen(other.execute(async () => {})))
      other.clearQueue('cleared')
      said.push(...await Promise.all(last))
      report({ said })
    })()`)
  expect(ended).toMatchObject({ signal: null, stderr: '', code: 0 })
  expect(ended.reports[0].said).toEqual([
    'Connection pool timeout after 1ms',
    'Operation was cancelled',
    'cleared',
    'cleared',
  ])
})

describe('settings', () => {
  test('that nobody knows are told of once, with the one that may be meant', () => {
    const heard = warnings()
    callPool({ requestPerSecond: 5 })
    callPool({ requestPerSecond: 5 })
    expect(heard).toEqual([
      [
        'BlenderPoolWarning',
        'ConnectionPool has no setting requestPerSecond; it is ignored. Did you mean requestsPerSecond?',
      ],
    ])
  })

  test.each([[undefined], [null]])('%p in their place is refused in a sentence', (options) => {
    const manager = new ApiConnectionPoolManager()
    afterwards(() => manager.shutdown())
    for (const make of [
      () => new ConnectionPool(options),
      () => manager.createPool('api', options),
    ]) {
      expect(make).toThrow('ConnectionPool was made without options.')
      expect(make).toThrow(
        expect.objectContaining({
          code: 'ERR_POOL_INVALID_OPTION',
          advice: expect.stringContaining('{ maxConnections: 5 }'),
        }),
      )
    }
  })
})
