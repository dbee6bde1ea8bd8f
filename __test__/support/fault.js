'use strict'

// What every error of the pool must be, and what a pool must look like once the trouble is over.

const { PoolError } = require('../..')
const { command } = require('./dialects')

/**
 * The error of a call that must fail, checked against what is documented for all of them.
 * @param {Promise<unknown> | (() => unknown)} call
 * @param {object} expected what the error must match
 */
async function faultOf(call, expected) {
  const error = await rejectionOf(call)
  expect(error).toBeInstanceOf(PoolError)
  expect(error).toMatchObject(expected)
  expect(error.message).toMatch(/\S{2,} \S{2,}/)
  expect(error.advice).toMatch(/^\p{Lu}.{20,}[.]$/u)
  expect(['no', 'maybe', 'yes']).toContain(error.delivered)
  expect(typeof error.retryable).toBe('boolean')
  expect(error.stack).toContain(error.message)
  if (error.cause !== undefined) {
    expect(error.cause).toMatchObject({ message: expect.stringMatching(/\S/) })
  }
  return error
}

/** @param {Promise<unknown> | (() => unknown)} call */
async function rejectionOf(call) {
  let value
  try {
    value = await (typeof call === 'function' ? call() : call)
  } catch (error) {
    return error
  }
  throw new Error(`it should have failed, and gave ${JSON.stringify(value)}`)
}

/** At rest nobody waits, nobody holds, and the totals tell of every connection. */
function expectBalanced(pool) {
  const stats = pool.stats()
  const closed = Object.values(stats.closed).reduce((sum, count) => sum + count, 0)
  expect(stats).toMatchObject({ inUse: 0, waiting: 0 })
  expect(stats.acquired).toBe(stats.released)
  expect(stats.created - closed).toBe(stats.total)
  expect(stats.idle + stats.connecting + stats.unusable).toBe(stats.total)
  expect(stats.total).toBeLessThanOrEqual(stats.max)
  expect(stats.commandErrors).toBeLessThanOrEqual(stats.commands)
  // What was discarded may be going at this very moment, so the two are not of one instant.
  const shown = pool.connections().length
  const totals = [stats.total, pool.stats().total]
  expect(shown).toBeGreaterThanOrEqual(Math.min(...totals))
  expect(shown).toBeLessThanOrEqual(Math.max(...totals))
}

/** It answers, with the right answer, and everything adds up. */
async function expectWorking(pool, options) {
  const token = Math.random()
  const { dialect } = pool.endpoints()[0]
  const reply = await pool.execute(command(dialect, 'echo', { token }), options)
  expect(reply).toMatchObject({ success: true, result: { token } })
  expectBalanced(pool)
}

/**
 * The next event of that name that fits.
 * @param {import('node:events').EventEmitter} pool
 * @param {string} name
 * @param {(payload: any) => boolean} [fits]
 */
function nextEvent(pool, name, fits = () => true) {
  return new Promise((resolve) => {
    const listen = (payload) => {
      if (!fits(payload)) return
      pool.off(name, listen)
      resolve(payload)
    }
    pool.on(name, listen)
  })
}

module.exports = { expectBalanced, expectWorking, faultOf, nextEvent, rejectionOf }
