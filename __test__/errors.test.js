'use strict'
// PoolError: what it tells, and how it prints.

const { inspect } = require('node:util')
const { PoolError } = require('..')
const { errors } = require('../lib/tables')

const fault = {
  code: 'ERR_POOL_CONNECT',
  message: 'cannot connect to 127.0.0.1:9876',
  endpoint: '127.0.0.1:9876',
  connectionId: 7,
  cause: {
    message: 'connect ECONNREFUSED 127.0.0.1:9876',
    code: 'ECONNREFUSED',
    errno: -111,
    syscall: 'connect',
    address: '127.0.0.1',
    port: 9876,
  },
}

test('a PoolError is an Error of the realm that made it', () => {
  const error = new PoolError(fault)
  expect(error).toBeInstanceOf(Error)
  expect(error).toBeInstanceOf(PoolError)
  expect(error.cause).toBeInstanceOf(Error)
  expect(error.name).toBe('PoolError')
})

test('every code has an advice and says whether a retry may help', () => {
  expect(errors.size).toBeGreaterThan(10)
  for (const row of errors.values()) {
    const error = new PoolError({ code: row.code, message: 'x' })
    expect(error).toMatchObject({ advice: row.advice, retryable: row.retryable, delivered: 'no' })
    expect(error.advice).toMatch(/^[A-Z].*\.$/s)
  }
})

test('a fault may know better than its code', () => {
  const error = new PoolError({
    ...fault,
    advice: 'Do this.',
    retryable: false,
    delivered: 'maybe',
  })
  expect(error).toMatchObject({ advice: 'Do this.', retryable: false, delivered: 'maybe' })
})

test('the cause is an error as Node itself would give it', () => {
  const { cause } = new PoolError(fault)
  expect(cause).toMatchObject({ ...fault.cause })
  expect(cause.stack).toBe('Error: connect ECONNREFUSED 127.0.0.1:9876')
})

test('a cause that is an error already stays the same object', () => {
  const cause = new TypeError('x')
  expect(new PoolError({ ...fault, cause }).cause).toBe(cause)
})

test('what does not apply is not there', () => {
  const error = new PoolError({ code: 'ERR_POOL_CLOSED', message: 'closed' })
  expect(Object.keys(error)).toEqual(['code', 'advice', 'delivered', 'retryable'])
  expect(error.stats).toBeUndefined()
  expect('cause' in error).toBe(false)
})

test('it prints with its code, what happened and what to do', () => {
  const error = new PoolError(fault)
  expect(String(error)).toBe(
    `PoolError [ERR_POOL_CONNECT]: cannot connect to 127.0.0.1:9876. ${error.advice}`,
  )
  const shown = inspect(error)
  expect(shown).toContain('PoolError: cannot connect to 127.0.0.1:9876')
  expect(shown).toContain("code: 'ERR_POOL_CONNECT'")
  expect(shown).toContain(error.advice)
  expect(shown).toContain('ECONNREFUSED')
})

test('the figures of the moment are there, and do not clutter what is printed', () => {
  const error = new PoolError(fault, '{"waiting":3}')
  expect(error.stats).toEqual({ waiting: 3 })
  expect(inspect(error)).not.toContain('waiting')
})
