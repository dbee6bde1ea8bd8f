'use strict'

// The race checks of the stress tool find what they are for: pools that break one promise each are caught by the check
// of that promise, and the verdict is bad.

const { EventEmitter } = require('node:events')
const { ConnectionPool } = require('..')
const { openEndpoint } = require('../stress/endpoint')
const { play } = require('../stress/play')
const { Random } = require('../stress/random')
const { Referee } = require('../stress/referee')
const { SCENARIOS } = require('../stress/scenarios')
const { runScript } = require('./support/child')
const broken = require('./support/broken-pools')

const UNWATCHED = { begin() {}, during() {}, end() {} }
/** A pool that is broken need not be waited for. */
const SHORT = { stuckMs: 1500, restMs: 700 }
const forever = new AbortController().signal

let endpoint
beforeAll(async () => {
  endpoint = await openEndpoint({ endpoints: [], dialect: 'auto', seed: 1 }, forever)
})
afterAll(() => endpoint?.stop())

/** Plays one scenario, small, with a pool of this class. */
function playWith(Pool, name, limits = {}) {
  const scenario = SCENARIOS.find((one) => one.name === name)
  const room = {
    connections: 3,
    callers: 12,
    operations: 60,
    durationMs: 300,
    random: new Random(1),
  }
  const parts = { createPool: (options) => new Pool(options), ...limits }
  return play(scenario, room, endpoint, { signal: forever, watch: UNWATCHED, parts })
}

const failed = ({ checks }) => checks.filter(({ failures }) => failures > 0).map(({ name }) => name)

test.each(['herd', 'exhaustion', 'races'])('the real pool passes them all in %s', async (name) => {
  expect(failed(await playWith(ConnectionPool, name))).toEqual([])
})

test.each([
  ['hands one connection to two callers', broken.TwoHolders, 'exhaustion', 'oneHolder'],
  ['gives two callers each other’s reply', broken.MixedReplies, 'concurrent', 'ownReply'],
  ['opens more connections than allowed', broken.OneTooMany, 'herd', 'withinMax'],
  ['opens more sockets than allowed', broken.OneTooMany, 'herd', 'serverSockets'],
  ['loses a slot', broken.LostSlot, 'exhaustion', 'noSlotLost'],
  ['forgets a caller', broken.ForgottenCaller, 'herd', 'settledOnce'],
  ['settles a call twice', broken.SettledTwice, 'herd', 'settledOnce'],
  ['sends a command again after it was answered', broken.SentTwice, 'herd', 'ranOnce'],
  ['serves who came last first', broken.LastComeFirst, 'exhaustion', 'inOrder'],
  ['counts what never was', broken.WrongTotals, 'concurrent', 'totals'],
  ['shows a state that is not so', broken.WrongStates, 'states', 'statesAgree'],
])('a pool that %s is caught, and the verdict is bad', async (_what, Pool, scenario, check) => {
  const played = await playWith(Pool, scenario, SHORT)
  expect(failed(played)).toContain(check)
  expect(played.verdict.level).toBe('bad')
  const told = played.verdict.reasons.filter(({ about }) => about === 'check')
  expect(told.length).toBeGreaterThan(0)
  for (const { text, advice } of told) expect([text, advice]).not.toContain(undefined)
})

test('a pool that leaves a rejection unhandled is caught', async () => {
  const { reports, stderr } = await runScript(`
    process.removeAllListeners('unhandledRejection')
    const { Referee } = require('./stress/referee')
    const pool = new ConnectionPool({ endpoints: '127.0.0.1:9' })
    const referee = new Referee(pool, 5)
    Promise.reject(new Error('nobody looks'))
    setImmediate(async () => {
      report(referee.end().find(({ name }) => name === 'noUnhandled'))
      await pool.close()
    })
  `)
  expect(stderr).toBe('')
  expect(reports).toEqual([
    expect.objectContaining({ failures: 1, examples: ['Error: nobody looks'] }),
  ])
})

test('a connection that is checked out twice by the pool’s own events is caught', () => {
  const pool = new EventEmitter()
  const referee = new Referee(pool, 1)
  pool.emit('connectionCheckedOut', { connectionId: 7 })
  pool.emit('connectionCheckedIn', { connectionId: 7 })
  pool.emit('connectionCheckedOut', { connectionId: 7 })
  pool.emit('connectionCheckedOut', { connectionId: 7 })
  const check = referee.end().find(({ name }) => name === 'oneHolder')
  expect(check).toMatchObject({ checked: 3, failures: 1 })
  expect(check.examples).toEqual(['connection 7 was checked out twice without coming back'])
})
