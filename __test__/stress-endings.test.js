'use strict'

// How the stress tool ends when it cannot go on: Blender died or stands still, nothing moves any more, or somebody
// interrupted it. None of that is held against the pool.

const { ConnectionPool } = require('..')
const { openEndpoint } = require('../stress/endpoint')
const { play } = require('../stress/play')
const { Random } = require('../stress/random')
const { Recorder } = require('../stress/recorder')
const { Referee } = require('../stress/referee')
const { reportOf } = require('../stress/report')
const { SCENARIOS } = require('../stress/scenarios')
const { runSession } = require('../stress/session')
const { arena } = require('./support/arena')

/** A server that stands still would not see that everybody has left. @type {Set<{ thaw: () => void }>} */
const still = new Set()
afterEach(() => {
  for (const server of still) server.thaw()
  still.clear()
})
const freeze = (server) => {
  still.add(server)
  server.freeze()
}

const { pool, simulator } = arena()

const UNWATCHED = { begin() {}, during() {}, end() {} }
const forever = new AbortController().signal
/** Where Blender is out of the way all the while, a moment is as good as 15 s. */
const SHORT = { stuckMs: 500, restMs: 700 }

const ROOM = { connections: 3, callers: 10, operations: 30, durationMs: 200 }
const scenarioCalled = (name) => SCENARIOS.find((one) => one.name === name)
const failed = ({ checks }) => checks.filter(({ failures }) => failures > 0)
const checkOf = ({ checks }, name) => checks.find((check) => check.name === name)
const impatient = (options) => new ConnectionPool({ ...options, connectRetryMs: 0 })

/** A simulated Blender that the test can kill and freeze, as something to put load on. */
async function aBlender() {
  const server = await simulator({ dialect: 'worker', beatMs: 1 })
  const given = { endpoints: [server.address], dialect: 'worker', allowRemote: false, seed: 1 }
  return {
    server,
    settings: { ...given, mode: 'basic', ...ROOM },
    endpoint: await openEndpoint(given, forever),
  }
}

const playOn = (endpoint, name, { operations = ROOM.operations, ...parts } = {}) =>
  play(scenarioCalled(name), { ...ROOM, operations, random: new Random(1) }, endpoint, {
    signal: forever,
    watch: UNWATCHED,
    parts,
  })

/** A whole run, in which something happens when the second scenario begins. */
function runUntilSecond({ settings, endpoint }, happens, { signal = forever, parts = SHORT } = {}) {
  const begin = (_title, place) => void (place === 2 && happens())
  return runSession(settings, endpoint, { signal, watch: { ...UNWATCHED, begin }, parts })
}

test('a Blender that dies ends the run there, and nothing is held against the pool', async () => {
  const blender = await aBlender()
  const kill = () => blender.server.kill()
  const result = await runUntilSecond(blender, kill, { parts: { createPool: impatient } })
  const [whole, cut] = result.scenarios
  expect(result).toMatchObject({ planned: 4, whole: 1, interrupted: false })
  expect(result.away).toMatch(
    /^Blender at 127\.0\.0\.1:\d+ went away in scenario 2 of 4 \(.*refused.*\)\. The remaining 2 were not played\. Start it again\.$/,
  )
  expect(result.scenarios).toHaveLength(2)
  expect([whole.verdict.level, cut.verdict.level]).not.toContain('bad')
  expect([failed(whole), failed(cut)]).toEqual([[], []])
  expect(checkOf(cut, 'noSlotLost')).toMatchObject({
    checked: 0,
    unmade: 'Blender was not there at the end',
  })
  const report = reportOf(result)
  expect(report).toContain('went away in scenario 2 of 4')
  expect(report).toContain('Blender was not there at the end')
  expect(report).not.toContain('bears this load')
})

test('one that stands still does, too', async () => {
  const blender = await aBlender()
  const result = await runUntilSecond(blender, () => freeze(blender.server))
  expect(result.away).toMatch(
    /^Blender at 127\.0\.0\.1:\d+ stopped answering in scenario 2 of 4 \(no progress for 0\.5 s\)\. The remaining 2 were not played\./,
  )
  expect(failed(result.scenarios[1])).toEqual([])
})

test('slots that could not be counted for want of a Blender are not lost', async () => {
  const nobody = pool(null, { endpoints: '127.0.0.1:9', connectRetryMs: 0, maxConnections: 2 })
  for (const [present, why] of [
    [false, 'Blender was not there at the end'],
    [true, 'Blender could not be reached at the end'],
  ]) {
    const referee = new Referee(nobody, 2)
    await referee.finish()
    referee.judgeSlots(present)
    expect(checkOf({ checks: referee.end() }, 'noSlotLost')).toMatchObject({
      checked: 0,
      failures: 0,
      unmade: why,
    })
  }
})

test.each(
  SCENARIOS.map(({ name, mode }) => [name, mode]),
)('without an answer %s, of mode %s, is given up', async (name) => {
  const { server, endpoint } = await aBlender()
  freeze(server)
  const played = await playOn(endpoint, name, SHORT)
  expect(played.verdict).toMatchObject({
    level: null,
    reasons: [
      {
        about: 'away',
        text: 'No progress for 0.5 s: Blender took a command and does not answer. Given up.',
      },
    ],
  })
  expect(played.away.silent).toBe(true)
})

test('calls that only run out of time are no progress, however many there are', async () => {
  const { server, endpoint } = await aBlender()
  let commands = 0
  server.on(({ event }) => {
    if (event === 'answered' && ++commands === 20) freeze(server)
  })
  const hasty = (options) =>
    new ConnectionPool({
      ...options,
      acquireTimeoutMs: 20,
      commandTimeoutMs: 20,
      drainTimeoutMs: 20,
    })
  const played = await playOn(endpoint, 'exhaustion', {
    ...SHORT,
    operations: 1e9,
    createPool: hasty,
  })
  expect(played.figures.ok).toBeGreaterThan(0)
  expect(played.figures.timeouts).toBeGreaterThan(0)
  expect(played.verdict.reasons.map(({ text }) => text)).toEqual([
    'No progress for 0.5 s: Blender took a command and does not answer. Given up.',
  ])
})

test('a load that nobody can bear is given up and bad, and no call is called forgotten', async () => {
  const { endpoint } = await aBlender()
  const frozen = await simulator({ dialect: 'worker' })
  freeze(frozen)
  const elsewhere = (options) =>
    new ConnectionPool({ ...options, endpoints: frozen.address, acquireTimeoutMs: 20 })
  const played = await playOn(endpoint, 'exhaustion', {
    ...SHORT,
    operations: 1e9,
    createPool: elsewhere,
  })
  expect([played.verdict.level, played.away, failed(played)]).toEqual(['bad', null, []])
  expect(played.verdict.reasons[0]).toMatchObject({
    about: 'stuck',
    text: 'No progress for 0.5 s: every call ran out of time. Given up.',
  })
})

describe('an interrupted run', () => {
  async function interruptedIn(place) {
    const blender = await aBlender()
    const controller = new AbortController()
    const watch = {
      ...UNWATCHED,
      begin: (_title, begun) => void (begun === place && controller.abort()),
    }
    return runSession(blender.settings, blender.endpoint, { signal: controller.signal, watch })
  }

  test('does not count the scenario that was cut, and says which it was', async () => {
    const [first, third] = [await interruptedIn(1), await interruptedIn(3)]
    expect(first).toMatchObject({
      interrupted: true,
      verdict: null,
      whole: 0,
      ended: 'interrupted in scenario 1 of 4',
    })
    expect(third).toMatchObject({ whole: 2, ended: 'interrupted in scenario 3 of 4' })
    expect(third.scenarios.at(-1).verdict).toEqual({ level: null, reasons: [] })
  })

  test('is not said to bear the load', async () => {
    for (const place of [1, 3]) {
      const report = reportOf(await interruptedIn(place))
      expect(report).toContain(`The run was interrupted in scenario ${place} of 4.`)
      expect(report).not.toContain('bears this load')
    }
  })
})

test('connections that were replaced after their uses are not counted as broken off', async () => {
  const { endpoint } = await aBlender()
  const worn = (options) => new ConnectionPool({ ...options, maxUses: 4 })
  for (const name of ['herd', 'bursty']) {
    const { verdict, pool: told } = await playOn(endpoint, name, { createPool: worn })
    expect(told.closed.uses).toBeGreaterThan(0)
    expect(verdict.reasons.filter(({ about }) => about === 'finding')).toEqual([
      expect.objectContaining({ level: 'good', text: expect.stringContaining('3 are allowed') }),
    ])
  }
})

test('connections that broke off still are', async () => {
  const { server, endpoint } = await aBlender()
  server.setFaults({ command: 'execute_code', skip: 3, reset: 'afterRun' })
  const { verdict } = await playOn(endpoint, 'herd')
  expect(verdict.reasons.filter(({ about }) => about === 'finding')).toEqual([
    expect.objectContaining({ level: 'warning' }),
  ])
})

test('an attempt to connect that failed has opened nothing', async () => {
  const server = await simulator({ dialect: 'worker' })
  const turnedAway = pool(server, { maxConnections: 1 })
  const recorder = new Recorder()
  recorder.watch(turnedAway)
  server.setFaults({ refuse: 'reset', times: 2 })
  await turnedAway.execute({ type: 'ping' })
  expect([turnedAway.stats().created, recorder.opened]).toEqual([3, 1])
})
