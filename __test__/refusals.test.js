'use strict'

// What cannot be right is refused at the call, with a code and advice. Nothing of it is sent, and the
// pool goes on as if nothing had been asked.

const { runInNewContext } = require('node:vm')

const { ConnectionPool } = require('..')
const { tables } = require('../binding')
const { DIALECTS, command } = require('./support/dialects')
const { expectBalanced, expectWorking, faultOf } = require('./support/fault')
const { newPool, rawServer, simulator } = require('./support/stage')

const rows = JSON.parse(tables()).options.filter(({ owners }) => owners.includes('ConnectionPool'))
const OPTION = { code: 'ERR_POOL_INVALID_OPTION', delivered: 'no', retryable: false }
const COMMAND = { code: 'ERR_POOL_INVALID_COMMAND', delivered: 'no', retryable: false }

describe('a pool is not made of', () => {
  const wrong = rows.flatMap(({ name, kind, min, max }) => {
    const values = {
      integer: [min - 1, max + 1, 1.5, '5', true, Number.NaN, Infinity, -1, {}, []],
      boolean: ['true', 1, 0, {}],
      enum: ['klingon', 7, true, '', 'Auto'],
      string: [7, true, {}, []],
      function: ['ping', true, false, {}, []],
      endpoints: [7, true, '', [], [7], {}, 'http://127.0.0.1:1', 'localhost:0', 'localhost:x'],
    }[kind]
    return values.map((value) => [name, value])
  })

  test.each(wrong)('%s: %p', async (name, value) => {
    const { message, details } = await faultOf(() => new ConnectionPool({ [name]: value }), OPTION)
    expect(message).toContain(name)
    expect(details.option).toContain(name)
  })

  test.each(
    rows.filter(({ default: own }) => own !== null).map(({ name }) => name),
  )('%s: null, for it has a default of its own', async (name) => {
    await faultOf(() => new ConnectionPool({ [name]: null }), OPTION)
  })

  test.each(
    rows.filter(({ kind }) => kind === 'integer'),
  )('an integer outside its range, and the message tells the range: $name', async ({
    name,
    min,
    max,
  }) => {
    const { message } = await faultOf(() => new ConnectionPool({ [name]: max + 1 }), OPTION)
    expect(message).toContain(`${min} to ${max}`)
    for (const value of [min, max]) {
      const others = name === 'retryBackoffMs' ? { maxRetryBackoffMs: max } : {}
      if (name === 'maxRetryBackoffMs') others.retryBackoffMs = 1
      if (name === 'minConnections') others.maxConnections = max
      newPool({ [name]: value, ...others })
    }
  })

  test.each(
    rows.map(({ name }) => name),
  )('a misspelt %s, and the right one is named', async (name) => {
    const typo = name.slice(0, 1) + name.slice(2)
    const { message } = await faultOf(() => new ConnectionPool({ [typo]: 1 }), OPTION)
    expect(message).toContain(typo)
    expect(message).toContain(`${name}?`)
  })

  test.each([
    ['null', null],
    ['a string', 'localhost:9876'],
    ['a list', []],
    ['a number', 9876],
  ])('%s', async (_what, options) => {
    await faultOf(() => new ConnectionPool(options), OPTION)
  })

  test.each([
    ['two ways to say where', { address: 'localhost:1', port: 2 }],
    ['a host and a path', { host: 'localhost', path: '/tmp/x' }],
    ['no way to say where', { name: 'studio' }],
    ['a dialect nobody speaks', { port: 9876, dialect: 'esperanto' }],
    ['a field nobody knows', { port: 9876, prot: 1 }],
    ['port 0', { port: 0 }],
    ['no connection', { port: 9876, maxConnections: 0 }],
    ['a host that is none', { host: 'a b', port: 1 }],
  ])('an endpoint with %s', async (_what, endpoint) => {
    await faultOf(() => new ConnectionPool({ endpoints: endpoint }), OPTION)
    await faultOf(() => new ConnectionPool({ endpoints: ['localhost:1', endpoint] }), OPTION)
  })

  test('two endpoints of one name', async () => {
    const endpoints = [
      { name: 'studio', port: 1 },
      { name: 'studio', port: 2 },
    ]
    const { message } = await faultOf(() => new ConnectionPool({ endpoints }), OPTION)
    expect(message).toContain('studio')
  })

  test('times that contradict each other', async () => {
    const { message } = await faultOf(
      () => new ConnectionPool({ retryBackoffMs: 100, maxRetryBackoffMs: 10 }),
      OPTION,
    )
    expect(message).toMatch(/retryBackoffMs.*maxRetryBackoffMs/s)
  })

  test.each([
    '10.0.0.1:9876',
    'blender.lan',
    'tcp://0.0.0.0:9876',
    '[2001:db8::1]:9876',
  ])('an endpoint on another machine: %s, unless allowRemote says so', async (address) => {
    const { advice } = await faultOf(() => new ConnectionPool({ endpoints: address }), OPTION)
    expect(advice).toContain('allowRemote')
    expect(newPool({ endpoints: address, allowRemote: true }).stats().total).toBe(0)
  })
})

test('a pool that could not be made leaves nothing behind that holds the process', async () => {
  const handles = () => process.getActiveResourcesInfo().length
  const before = handles()
  for (let at = 0; at < 100; at++) {
    await faultOf(() => new ConnectionPool({ endpoints: '10.0.0.1:1' }), OPTION)
  }
  expect(handles()).toBeLessThanOrEqual(before)
})

describe('a command is refused at the call that', () => {
  const cyclic = {}
  cyclic.self = { cyclic }

  test.each([
    ['is not there', undefined],
    ['is null', null],
    ['is a number', 7],
    ['is a list', ['ping']],
    ['is a function', () => 'ping'],
    ['is a symbol', Symbol('ping')],
    ['is an empty string', ''],
    ['has no type', {}],
    ['has an empty type', { type: '' }],
    ['has a type that is no string', { type: 7 }],
    ['has a key too many', { type: 'ping', params: {}, id: 1 }],
    ['has a misspelt key', { type: 'ping', parms: {} }],
    ['has a list for params', { type: 'ping', params: [1, 2] }],
    ['has a string for params', { type: 'ping', params: '{}' }],
    ['has a number for params', { type: 'ping', params: 7 }],
    ['has a Map for params', { type: 'ping', params: new Map([['a', 1]]) }],
    ['has a Date for params', { type: 'ping', params: new Date() }],
    ['is cyclic', { type: 'ping', params: cyclic }],
    ['has a BigInt', { type: 'ping', params: { a: 1n } }],
    ['has a function', { type: 'ping', params: { a: { b: () => {} } } }],
    ['has a symbol', { type: 'ping', params: { a: Symbol('b') } }],
    ['has a Map within', { type: 'ping', params: { a: [new Map()] } }],
    ['has a Set of another realm', { type: 'ping', params: { a: runInNewContext('new Set()') } }],
    ['has a typed array', { type: 'ping', params: { a: new Uint8Array(3) } }],
    ['has NaN', { type: 'ping', params: { a: Number.NaN } }],
    ['has Infinity', { type: 'ping', params: { a: [-Infinity] } }],
    [
      'throws while it is written',
      {
        type: 'ping',
        params: {
          get a() {
            throw new Error('mine')
          },
        },
      },
    ],
    [
      'has a toJSON that throws',
      {
        type: 'ping',
        params: {
          toJSON() {
            throw new Error('mine')
          },
        },
      },
    ],
    ['has a toJSON that gives no object', { type: 'ping', params: { toJSON: () => 'text' } }],
  ])('%s', async (_what, command) => {
    const server = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: server.address, dialect: 'worker' })
    await faultOf(() => pool.execute(command), COMMAND)
    const connection = await pool.acquire()
    await faultOf(() => connection.execute(command), COMMAND)
    await connection.release()
    expect(server.stats().commands.filter(({ command: name }) => name !== 'ping')).toEqual([])
    await expectWorking(pool)
    expect(pool.stats()).toMatchObject({ commands: 1, commandErrors: 0 })
  })

  test.each(
    DIALECTS,
  )('is larger than maxRequestBytes (%s), whether or not a connection is open', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect, maxRequestBytes: 2_000 })
    const large = command(dialect, 'echo', { text: 'x'.repeat(3_000) })
    const fault = { ...COMMAND, details: { limitBytes: 2_000 } }
    await faultOf(() => pool.execute(large), fault)
    expect(server.stats().connects).toBe(0)
    await expectWorking(pool)
    const { message, advice } = await faultOf(() => pool.execute(large), fault)
    expect(message).toMatch(/3\d\d\d bytes/)
    expect(advice).toContain('maxRequestBytes')
    await pool.use((connection) => faultOf(() => connection.execute(large), fault))
    await expectWorking(pool)
  })

  test('grows beyond maxRequestBytes only as ASCII', async () => {
    const server = await simulator({ dialect: 'blender-mcp' })
    const pool = newPool({
      endpoints: server.address,
      dialect: 'blender-mcp',
      maxRequestBytes: 2_000,
    })
    // 900 bytes in UTF-8, 1 800 as \uXXXX, beside some 40 of the envelope.
    const fits = { type: 'echo', params: { text: 'é'.repeat(300) } }
    expect(await pool.execute(fits)).toMatchObject({ result: fits.params })
    const grows = { type: 'echo', params: { text: 'é'.repeat(400) } }
    await faultOf(() => pool.execute(grows), COMMAND)
    await expectWorking(pool)
    expect(server.stats().violations).toEqual([])
  })

  test('blender-lab cannot say', async () => {
    const server = await simulator({ dialect: 'blender-lab' })
    const pool = newPool({ endpoints: server.address, dialect: 'blender-lab' })
    for (const command of [
      'get_scene_info',
      { type: 'execute_code' },
      { type: 'execute_code', params: { code: 7 } },
    ]) {
      const { message } = await faultOf(() => pool.execute(command), COMMAND)
      expect(message).toMatch(/blender-lab/)
    }
    expect(server.stats()).toMatchObject({ connects: 0, received: 0 })
    expect(await pool.execute({ type: 'execute_code', params: { code: 'pass' } })).toMatchObject({
      success: true,
    })
    expectBalanced(pool)
  })

  test('blender-lab cannot say, found out by auto only after the call', async () => {
    const server = await simulator({ dialect: 'blender-lab' })
    const pool = newPool({ endpoints: server.address })
    await faultOf(() => pool.execute('get_scene_info'), COMMAND)
    expect(server.stats().commands.map(({ command }) => command)).toEqual(['execute_code'])
    expect(await pool.execute({ type: 'execute_code', params: { code: 'pass' } })).toMatchObject({
      success: true,
    })
    expectBalanced(pool)
  })
})

describe('an option of a call is refused', () => {
  const wrong = [
    [{ timeoutMs: 0 }],
    [{ timeoutMs: -1 }],
    [{ timeoutMs: 2 ** 31 }],
    [{ timeoutMs: 1.5 }],
    [{ timeoutMs: '100' }],
    [{ timeoutMs: null }],
    [{ timeoutMs: Number.NaN }],
    [{ signal: 'abort' }],
    [{ signal: {} }],
    [{ signal: { aborted: false, addEventListener() {} } }],
    [{ signal: null }],
    [{ endpoint: 'nowhere' }],
    [{ endpoint: 0 }],
    [{ endpoint: '' }],
    [{ timeout: 100 }],
    [{ timeoutms: 100 }],
    [null],
    ['fast'],
    [[]],
    [7],
  ]

  test.each(wrong)('of execute() and acquire(): %p', async (options) => {
    const server = await rawServer(() => {})
    const pool = newPool({ endpoints: server.address, dialect: 'worker' })
    await faultOf(() => pool.execute('ping', options), OPTION)
    await faultOf(() => pool.acquire(options), OPTION)
    await faultOf(() => pool.use(() => {}, options), OPTION)
    expect(server.connects).toBe(0)
    expectBalanced(pool)
  })

  test.each([
    [{ raw: 1 }],
    [{ rejectOnError: 'yes' }],
    [{ raw: true, rejectOnError: true }],
    [{ priorty: 1 }],
  ])('of execute(): %p', async (options) => {
    const server = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: server.address, dialect: 'worker' })
    await faultOf(() => pool.execute('ping', options), OPTION)
    await pool.use((connection) => faultOf(() => connection.execute('ping', options), OPTION))
    await expectWorking(pool)
  })

  test('of a held connection that is one of the pool: endpoint', async () => {
    const server = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: { name: 'studio', address: server.address } })
    await pool.use((connection) =>
      faultOf(() => connection.execute('ping', { endpoint: 'studio' }), OPTION),
    )
    await expectWorking(pool, { endpoint: 'studio' })
  })

  test.each([
    [{ timeoutMs: -1 }],
    [{ force: 1 }],
    [{ now: true }],
    [null],
    [7],
  ])('of close(): %p', async (options) => {
    const server = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: server.address, dialect: 'worker' })
    await faultOf(() => pool.close(options), OPTION)
    expect(pool.state).toBe('ready')
    await expectWorking(pool)
  })

  test('that names an endpoint wrongly, and the message has the right one', async () => {
    const pool = newPool({
      endpoints: [
        { name: 'desktop', port: 1 },
        { name: 'farm', port: 2 },
      ],
    })
    const { message, advice } = await faultOf(
      () => pool.execute('ping', { endpoint: 'dektop' }),
      OPTION,
    )
    expect(message).toContain('desktop?')
    expect(advice).toContain('desktop, farm')
    await faultOf(() => pool.tryAcquire({ endpoint: 'frm' }), OPTION)
  })
})

describe("what is not this caller's is refused:", () => {
  const NOT_HELD = { code: 'ERR_POOL_NOT_HELD', delivered: 'no', retryable: false }

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 1],
    ['an object', {}],
  ])('to release %s', async (_what, thing) => {
    const pool = newPool({ endpoints: 'localhost:1' })
    await faultOf(() => pool.release(thing), NOT_HELD)
  })

  test("another pool's connection, a connection given back, and a command on it", async () => {
    const server = await simulator({ dialect: 'worker' })
    const [one, two] = [1, 2].map(() => newPool({ endpoints: server.address, dialect: 'worker' }))
    const connection = await one.acquire()
    await faultOf(() => two.release(connection), NOT_HELD)
    expect(await connection.execute('ping')).toMatchObject({ success: true })
    await connection.release()
    const other = await one.acquire()
    await faultOf(() => one.release(connection), NOT_HELD)
    await faultOf(() => connection.release(), NOT_HELD)
    await faultOf(() => connection.discard(), NOT_HELD)
    await faultOf(() => connection.execute('ping'), NOT_HELD)
    expect(await other.execute('ping')).toMatchObject({ success: true })
    await other.release()
    await expectWorking(one)
  })

  test('anything at all, once the pool is closed', async () => {
    const server = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: server.address, dialect: 'worker' })
    const connection = await pool.acquire()
    const report = await pool.close({ force: true })
    expect(report.cut).toBe(1)
    const CLOSED = { code: 'ERR_POOL_CLOSED', delivered: 'no', retryable: false }
    await faultOf(() => pool.execute('ping'), CLOSED)
    await faultOf(() => pool.acquire(), CLOSED)
    await faultOf(() => pool.use(() => {}), CLOSED)
    await faultOf(() => pool.tryAcquire(), CLOSED)
    await faultOf(() => connection.execute('ping'), {})
    expect(pool.state).toBe('closed')
    expect(await pool.close()).toEqual(report)
  })
})
