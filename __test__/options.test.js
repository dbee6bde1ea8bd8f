'use strict'
// A pool's options: what is refused, in which words, and what the types say of them.

const fs = require('node:fs')
const path = require('node:path')
const { inspect } = require('node:util')
const { ConnectionPool, PoolError } = require('..')
const { readOptions } = require('../lib/options')
const { options: table } = require('../lib/tables')

/** The error a pool with these options throws. */
function refusal(options) {
  try {
    new ConnectionPool(options).close()
  } catch (error) {
    expect(error).toBeInstanceOf(PoolError)
    expect(error.code).toBe('ERR_POOL_INVALID_OPTION')
    expect(error.advice).not.toBe('')
    return error
  }
  throw new Error(`accepted: ${JSON.stringify(options)}`)
}

describe('a refused option', () => {
  test('that is unknown is named, with the one it most likely means', () => {
    const error = refusal({ maxConnection: 3 })
    expect(error.message).toBe(
      "The pool has no option 'maxConnection'. Did you mean maxConnections?",
    )
    expect(error.details).toMatchObject({ option: 'maxConnection', nearest: 'maxConnections' })
    expect(refusal({ acquireTimeout: 1 }).message).toContain('acquireTimeoutMs')
    expect(refusal({ favouriteColour: 1 }).message).not.toContain('Did you mean')
    const { message } = refusal({ poolSize: 3 })
    expect(message).toBe("The pool has no option 'poolSize'. Write maxConnections.")
    expect(refusal({ min: 3 }).message).toContain('Write minConnections.')
  })

  test('that cannot be shown is named all the same', () => {
    const { proxy, revoke } = Proxy.revocable(class Connection {}.prototype, {})
    revoke()
    const evil = {
      [inspect.custom]() {
        throw new Error('of the value')
      },
    }
    for (const value of [evil, new Proxy(evil, {}), proxy]) {
      expect(refusal({ maxConnections: value }).message).toMatch(
        /^maxConnections is .+; it must be/,
      )
    }
  })

  test('that is out of range is named with its value and its range', () => {
    const { min, max } = table.get('maxConnections')
    const error = refusal({ maxConnections: 0 })
    expect(error.message).toBe(`maxConnections is 0; it must be an integer from ${min} to ${max}.`)
    expect(error.details).toEqual({ option: 'maxConnections', value: 0, min, max })
    expect(refusal({ maxConnections: max + 1 }).message).toContain(String(max))
  })

  test.each([
    ['a word for a number', { maxConnections: '3' }],
    ['a fraction', { acquireTimeoutMs: 1.5 }],
    ['not a number', { acquireTimeoutMs: Number.NaN }],
    ['null where there is a default', { maxConnections: null }],
    ['a number for a flag', { allowRemote: 1 }],
    ['an unknown dialect', { dialect: 'maya' }],
    ['an empty name', { name: '' }],
    ['no endpoints', { endpoints: [] }],
    ['an endpoint that is a number', { endpoints: 9876 }],
    ['an endpoint that says nothing', { endpoints: {} }],
    ['an endpoint with a mistyped field', { endpoints: { host: 'localhost', prot: 1 } }],
    ['a port that is none', { endpoints: { host: 'localhost', port: 70_000 } }],
    ['two places for one endpoint', { endpoints: { path: '/tmp/a', host: 'localhost' } }],
    ['a port on a Unix socket', { endpoints: { path: '/tmp/a', port: 1 } }],
    ['two endpoints of one name', { endpoints: ['localhost:1', 'localhost:1'] }],
    ['another machine', { endpoints: '192.0.2.1:9876' }],
    ['a list instead of options', []],
    ['a word instead of options', 'localhost:9876'],
  ])('may be %s', (_what, options) => {
    refusal(options)
  })

  test('may contradict another, and both are named', () => {
    const error = refusal({ retryBackoffMs: 500, maxRetryBackoffMs: 100 })
    expect(error.message).toBe('retryBackoffMs (500) is above maxRetryBackoffMs (100).')
  })

  test('leaves nothing behind that holds the process or answers', () => {
    refusal({ endpoints: '192.0.2.1:9876' })
    const pool = new ConnectionPool()
    expect(pool.stats().total).toBe(0)
    return pool.close()
  })
})

describe('options left out', () => {
  const saved = { ...process.env }
  afterEach(() => {
    process.env = { ...saved }
  })

  test('take the defaults of the table', () => {
    const { values, changed } = readOptions('ConnectionPool', {
      maxWaiting: null,
      maxConnections: undefined,
    })
    expect(changed).toEqual({})
    for (const row of table.values()) {
      if (row.kind !== 'endpoints') expect(values[row.name]).toEqual(row.default)
    }
  })

  test('are told apart from those that were given', () => {
    const given = { endpoints: 'localhost:1', maxConnections: 5, maxUses: 2 }
    expect(readOptions('ConnectionPool', given).changed).toEqual({
      endpoints: 'localhost:1',
      maxUses: 2,
    })
  })

  test('let BLENDER_HOST and BLENDER_PORT say where Blender is', () => {
    process.env.BLENDER_HOST = '127.0.0.1'
    process.env.BLENDER_PORT = '9999'
    expect(readOptions('ConnectionPool').values.endpoints).toMatchObject([
      { host: '127.0.0.1', port: 9999 },
    ])
    process.env.BLENDER_HOST = ''
    delete process.env.BLENDER_PORT
    expect(readOptions('ConnectionPool').values.endpoints).toEqual([
      { host: 'localhost', port: 9876 },
    ])
  })

  test.each(['abc', '0', '65536', '98 76', '0x10'])('blame BLENDER_PORT=%j by name', (port) => {
    process.env.BLENDER_PORT = port
    expect(refusal().message).toContain('BLENDER_PORT')
    expect(() => readOptions('ConnectionPool', { endpoints: 'localhost:1' })).not.toThrow()
  })
})

test('a BLENDER_HOST that is another machine is blamed by name', () => {
  const { BLENDER_HOST } = process.env
  process.env.BLENDER_HOST = '192.0.2.1'
  try {
    const error = refusal()
    expect(error.message).toBe(
      'The environment variable BLENDER_HOST: "192.0.2.1:9876" is not on this machine',
    )
    expect(error.advice).toContain('allowRemote: true')
    expect(refusal({ endpoints: '192.0.2.1:1' }).message).toContain('endpoints[0]')
  } finally {
    if (BLENDER_HOST === undefined) delete process.env.BLENDER_HOST
    else process.env.BLENDER_HOST = BLENDER_HOST
  }
})

describe('an endpoint', () => {
  test.each([
    ['9876', 'endpoints'],
    [[' :9876 '], 'endpoints[0]'],
    [{ address: '9876' }, 'endpoints.address'],
  ])('that is only a port is told how to write it: %j', (endpoints, label) => {
    const { message } = refusal({ endpoints })
    expect(message).toMatch(/^(\S+): ':?9876' is a port without a host\. Write 'localhost:9876'\.$/)
    expect(message.startsWith(`${label}:`)).toBe(true)
  })

  test.each([
    ['127.0.0.1:4000', '127.0.0.1:4000'],
    ['tcp://localhost:4000', 'localhost:4000'],
    ['[::1]:4000', '[::1]:4000'],
    ['unix:/tmp/blender.sock', 'unix:/tmp/blender.sock'],
    [{ host: '::1', port: 4000 }, '[::1]:4000'],
    [{ path: '/tmp/blender.sock' }, 'unix:/tmp/blender.sock'],
    [{ port: 4000 }, 'localhost:4000'],
  ])('may be written %j', async (endpoints, address) => {
    const pool = new ConnectionPool({ endpoints })
    expect(pool.endpoints()).toMatchObject([{ name: address, address }])
    await pool.close()
  })

  test('may have a name, by which calls choose it', async () => {
    const endpoints = [{ name: 'left', port: 1 }, 'localhost:2']
    const pool = new ConnectionPool({ endpoints })
    expect(pool.endpoints().map(({ name }) => name)).toEqual(['left', 'localhost:2'])
    await expect(pool.execute('ping', { endpoint: 'lefd' })).rejects.toMatchObject({
      code: 'ERR_POOL_INVALID_OPTION',
      message: 'This pool has no endpoint "lefd". Did you mean left?',
      advice: 'Its endpoints are: left, localhost:2.',
    })
    await pool.close()
  })
})

describe('the types', () => {
  const types = fs.readFileSync(path.join(__dirname, '../index.d.ts'), 'utf8')

  test('list the options of the table, in its order', () => {
    const [, body] = /interface PoolOptions \{\n(.*?)\n\}/s.exec(types)
    const names = [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name)
    expect(names).toEqual([...table.keys()])
  })

  test('tell the defaults of the table', () => {
    const [, body] = /interface PoolOptions \{\n(.*?)\n\}/s.exec(types)
    for (const row of table.values()) {
      if (typeof row.default !== 'number') continue
      const [, above] = new RegExp(
        `\\/\\*\\*((?:(?!\\*\\/).)*)\\*\\/\\s+${row.name}\\?:`,
        's',
      ).exec(body)
      const [, digits] = /Default: ([\d ]+)/.exec(above)
      expect([row.name, Number(digits.replaceAll(' ', ''))]).toEqual([row.name, row.default])
    }
  })

  test('list the dialects and the error codes of the tables', () => {
    const { dialects, errors } = require('../lib/tables')
    const words = (name) => {
      const [, union] = new RegExp(`export type ${name} =(.*?)\\n\\n`, 's').exec(types)
      return [...union.matchAll(/'([^']+)'/g)].map(([, word]) => word).sort()
    }
    expect(words('DialectName')).toEqual(dialects.map(({ name }) => name).sort())
    expect(words('PoolErrorCode')).toEqual([...errors.keys()].sort())
  })
})
