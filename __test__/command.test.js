'use strict'
// What may be sent: plain JSON, whole. Whatever would arrive as something else is refused at the call.

const vm = require('node:vm')
const { serialise } = require('../lib/command')
const { PoolError } = require('..')

/** The error that this command is refused with. */
function refusal(command) {
  try {
    serialise(command)
  } catch (error) {
    expect(error).toBeInstanceOf(PoolError)
    expect(error).toMatchObject({ code: 'ERR_POOL_INVALID_COMMAND', delivered: 'no' })
    return error
  }
  throw new Error('accepted')
}

describe('a command', () => {
  test('may be its type alone', () => {
    expect(serialise('get_scene_info')).toEqual({ type: 'get_scene_info', params: '{}' })
  })

  test.each([undefined, null, {}])('without params sends an empty object (%j)', (params) => {
    expect(serialise({ type: 'ping', params }).params).toBe('{}')
  })

  test('keeps every JSON value as it is', () => {
    const params = {
      a: [1, -0.5, 1e300, null, true, ''],
      'é→𝄞': { deep: [[{}]] },
      code: '"\n\u2028',
    }
    expect(JSON.parse(serialise({ type: 'x', params }).params)).toEqual(params)
  })

  test('may come from another realm, without a prototype, or write itself', () => {
    const foreign = vm.runInNewContext('({ list: [1, { a: 2 }] })')
    expect(serialise({ type: 'x', params: foreign }).params).toBe('{"list":[1,{"a":2}]}')
    const bare = Object.assign(Object.create(null), { a: 1 })
    expect(serialise({ type: 'x', params: bare }).params).toBe('{"a":1}')
    const at = new Date(0)
    expect(serialise({ type: 'x', params: { at } }).params).toBe(
      '{"at":"1970-01-01T00:00:00.000Z"}',
    )
  })

  test('loses members that are undefined, as JSON has it', () => {
    expect(serialise({ type: 'x', params: { a: undefined, b: 1 } }).params).toBe('{"b":1}')
  })
})

describe('a refused command', () => {
  test.each([
    [undefined],
    [null],
    [7],
    [[]],
    [() => {}],
    [Symbol('s')],
    [''],
    [{}],
    [{ type: 7 }],
  ])('may have no type: %p', (command) => {
    refusal(command)
  })

  test('may have a key that is not known, and hears the right one', () => {
    expect(refusal({ type: 'x', parms: {} }).message).toBe(
      "A command has type and params, and no 'parms'. Did you mean params?",
    )
  })

  test.each([
    ['an array', [1]],
    ['a string', 'code'],
    ['a number', 1],
    ['a function', () => {}],
    ['a symbol', Symbol('s')],
    ['a Date', new Date(0)],
  ])('may have params that are %s', (what, params) => {
    expect(refusal({ type: 'x', params }).message).toBe(
      `The params of 'x' are ${what}, not a JSON object.`,
    )
  })

  test.each([
    ['a Map', new Map([['a', 1]])],
    ['a Set', new Set([1])],
    ['a Float32Array', new Float32Array(3)],
    ['a Vector', new (class Vector {})()],
  ])('may hold %s, which would arrive as something else', (what, value) => {
    expect(refusal({ type: 'x', params: value }).message).toContain(`params is ${what}`)
    expect(refusal({ type: 'x', params: { a: [0, value] } }).message).toContain(
      `params.a[1] is ${what}`,
    )
  })

  test.each([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a function', () => {}],
    ['a symbol', Symbol('s')],
  ])('may hold %s, and hears where', (what, value) => {
    expect(refusal({ type: 'x', params: { at: { point: [0, value] } } }).message).toContain(
      `params.at.point[1] is ${what}`,
    )
  })

  test('may hold a hole, which JSON fills with null', () => {
    expect(refusal({ type: 'x', params: { list: [1, undefined] } }).message).toContain(
      'params.list[1]',
    )
  })

  test('may be cyclic, hold a BigInt or throw while it is written: the cause tells', () => {
    const cyclic = { name: 'a' }
    cyclic.self = cyclic
    expect(refusal({ type: 'x', params: cyclic }).cause.message).toContain('circular')
    expect(refusal({ type: 'x', params: { n: 1n } }).cause.message).toContain('BigInt')
    const own = new Error('no JSON from me')
    const params = {
      toJSON() {
        throw own
      },
    }
    expect(refusal({ type: 'x', params }).cause).toBe(own)
  })

  test('may be too deep for JavaScript itself', () => {
    let params = {}
    for (let depth = 0; depth < 100_000; depth++) params = { params }
    expect(refusal({ type: 'x', params }).cause).toBeInstanceOf(RangeError)
  })
})
