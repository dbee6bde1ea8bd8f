'use strict'

// How the stress tool comes from what it measured to what it says: buckets, bursts, the ideal line, figures, verdict.

const { bucketsOf, spreadOf } = require('../stress/buckets')
const { burstsOf } = require('../stress/bursts')
const { figuresOf } = require('../stress/figures')
const { Line } = require('../stress/line')
const { ticks } = require('../stress/report/chart')
const { ROWS, Speech, WAYS } = require('../stress/speech')
const { judge, worst } = require('../stress/verdict')
const { dialects } = require('../lib/tables')

/** Operations that all took the same, unless told otherwise. */
const operations = (count, given = {}) =>
  Array.from({ length: count }, () => ({
    kind: 'execute',
    asked: 0,
    turn: 0,
    ended: 6,
    outMs: 4,
    outcome: 'ok',
    ...given,
  }))

const figures = (all, samples = []) => figuresOf({ operations: all, samples }, 1000)
const verdictOf = (all, more = {}) =>
  judge({ figures: figures(all), checks: [], findings: [], timed: true, ...more })
const about = ({ reasons }, level) =>
  reasons.filter((reason) => reason.level === level).map((reason) => reason.about)

test('a time lies in one bucket, its lower end included', () => {
  const counts = (times) => bucketsOf(times).map(({ count }) => count)
  expect(bucketsOf([]).map(({ name }) => name)).toEqual(['0–1', '1–5', '5–10', '10–50', '> 50'])
  expect(counts([0, 0.99, 1, 4.9, 5, 9.9, 10, 49, 50, 51, 9999])).toEqual([2, 2, 2, 2, 3])
})

test('percentiles are times that were measured', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect(spreadOf(hundred)).toEqual({ count: 100, mean: 50.5, p50: 50, p95: 95, p99: 99, max: 100 })
  expect(spreadOf([3])).toMatchObject({ p50: 3, p99: 3, max: 3 })
  expect(spreadOf([])).toEqual({ count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 })
})

test('errors are a burst when five follow each other closely, in whatever order they are told', () => {
  const at = (moments, code = 'A') => moments.map((moment) => ({ at: moment, code }))
  expect(burstsOf(at([0, 50, 100, 150]))).toEqual([])
  expect(burstsOf(at([0, 250, 500, 750, 1000]))).toEqual([])
  expect(burstsOf([...at([400, 0, 100]), ...at([300, 200, 5000], 'B')])).toEqual([
    { at: 0, durationMs: 400, count: 5, codes: { A: 3, B: 2 } },
  ])
})

test('in the ideal line a turn comes when a place falls free, and who gives up holds up nobody', () => {
  const line = new Line(1)
  const [first, second, third, fourth] = operations(4, { turn: undefined })
  for (const one of [first, second, third, fourth]) line.join(one, 0)
  line.leave(second, 5)
  line.leave(first, 10)
  line.leave(third, 30)
  line.leave(third, 31)
  expect([first.turn, second.turn, third.turn, fourth.turn]).toEqual([0, undefined, 10, 30])
  line.leave(fourth, 40)
  const [late] = operations(1, { turn: undefined })
  line.join(late, 50)
  expect(late.turn).toBe(50)
})

test('the pool’s own share is what neither the line, nor Blender, nor the holder had', () => {
  const command = { asked: 0, turn: 100, ended: 110, outMs: 7 }
  expect(figures(operations(10, command))).toMatchObject({
    ownMeanMs: 3,
    outMeanMs: 7,
    lineMeanMs: 100,
  })
  const held = { kind: 'hold', asked: 0, turn: 20, got: 21, freed: 71, ended: 73, outMs: 50 }
  expect(figures(operations(10, held))).toMatchObject({
    ownMeanMs: 3,
    outMeanMs: 50,
    lineMeanMs: 20,
  })
})

test('a turn that is seen a little late for one command is made good by the next', () => {
  const [early, late] = [
    { turn: 0, ended: 5, outMs: 8 },
    { turn: 0, ended: 15, outMs: 8 },
  ]
  const both = [...operations(1, early), ...operations(1, late)]
  expect(figures(both).ownMeanMs).toBe(2)
})

test('calls that are given up on purpose, or cut by Ctrl-C, count for nothing', () => {
  const all = [
    ...operations(8),
    ...operations(3, { outcome: 'gaveUp', outMs: undefined }),
    ...operations(3, { outcome: 'cut', outMs: undefined }),
  ]
  expect(figures(all)).toMatchObject({ operations: 8, successPercent: 100, gaveUp: 3 })
})

test.each([
  ['good', 'all is well', operations(1000), []],
  ['good', 'Blender takes its time', operations(10, { ended: 400, outMs: 398 }), []],
  ['good', 'everybody waits in line', operations(10, { turn: 900, ended: 906 }), []],
  ['warning', 'the pool takes 10 ms itself', operations(10, { ended: 14 }), ['own']],
  ['bad', 'the pool takes more than 50 ms itself', operations(10, { ended: 55 }), ['own']],
  [
    'warning',
    'one in a hundred fails',
    [...operations(99), ...operations(1, { outcome: 'failed' })],
    ['success'],
  ],
  [
    'bad',
    'six in a hundred fail',
    [...operations(94), ...operations(6, { outcome: 'failed', ended: 9e6 })],
    ['success'],
  ],
  [
    'warning',
    'one in a hundred times out',
    [...operations(99), ...operations(1, { outcome: 'timeout' })],
    ['timeouts'],
  ],
  [
    'bad',
    'six in a hundred time out',
    [...operations(94), ...operations(6, { outcome: 'timeout' })],
    ['timeouts'],
  ],
  [
    'warning',
    'five fail at once',
    [...operations(9995), ...operations(5, { outcome: 'failed' })],
    ['burst'],
  ],
  [
    'warning',
    'every eighth loses more than 50 ms to the pool',
    [...operations(70), ...operations(10, { ended: 56 })],
    ['late'],
  ],
])('the verdict is %s when %s', (level, _when, all, reasons) => {
  const verdict = verdictOf(all)
  expect(verdict.level).toBe(level)
  expect(about(verdict, level)).toEqual(
    level === 'good' ? expect.anything() : expect.arrayContaining(reasons),
  )
  for (const reason of verdict.reasons) {
    expect([reason.about, reason.advice === undefined]).toEqual([
      reason.about,
      reason.level === 'good',
    ])
  }
})

test('a race check that failed is bad, whatever the figures', () => {
  const check = { name: 'oneHolder', title: 'Never', checked: 9, failures: 1, examples: ['it was'] }
  const verdict = verdictOf(operations(1000), { checks: [check] })
  expect(verdict.level).toBe('bad')
  expect(about(verdict, 'bad')).toEqual(['check'])
  expect(verdict.reasons[0].text).toBe('Race check failed, 1 of 9 times: Never. Seen: it was.')
})

test('times that are not judged make no verdict, and what stood still is bad', () => {
  expect(verdictOf(operations(10, { ended: 500 }), { timed: false }).level).toBe('good')
  expect(verdictOf([], { stuck: 'Nothing ended.' }).level).toBe('bad')
  expect(verdictOf([]).level).toBeNull()
})

test('the verdict on the whole is the worst of its parts', () => {
  expect(worst(['good', 'warning', null])).toBe('warning')
  expect(worst(['bad', 'warning'])).toBe('bad')
  expect(worst([null])).toBeNull()
})

test('what the tool knows of each dialect is what the pool knows', () => {
  expect(Object.keys(ROWS).sort()).toEqual(dialects.map(({ name }) => name).sort())
  for (const { name, port, ping, policy } of dialects) {
    const { inFlight, connections = 0, perRequest = false, ...row } = ROWS[name]
    expect([name, row.port, perRequest, connections]).toEqual([
      name,
      port,
      policy.perRequest,
      policy.maxConnections,
    ])
    expect([name, inFlight]).toEqual([name, policy.maxInFlight || Infinity])
    if (row.code === undefined) expect([name, row.ping]).toEqual([name, ping])
  }
})

test('a mark is found in its own reply, and another’s is told apart from a refusal', () => {
  for (const way of WAYS.filter((one) => one !== 'ping')) {
    const speech = new Speech(way === 'ask' ? 'blender-ai-mcp' : 'worker', way, false)
    const [own, other] = [speech.mark(), speech.mark()]
    expect(JSON.stringify(speech.command(own))).toContain(own)
    expect(speech.complaint({ success: true, result: { stdout: `${own}\n` } }, own)).toBeNull()
    const kind = (reply) => speech.complaint(reply, own)?.kind
    expect(kind({ success: true, result: other })).toBe('foreign')
    expect(kind({ success: true, result: `${own} ${other}` })).toBe('foreign')
    expect(kind({ success: true, result: null })).toBe('foreign')
    expect(kind({ success: false, message: 'not allowed' })).toBe('refused')
  }
})

test('an axis has a handful of round figures that reach over what it shows', () => {
  expect(ticks(7)).toEqual([0, 2, 4, 6, 8])
  expect(ticks(0.83)).toEqual([0, 0.5, 1])
  expect(ticks(1, true)).toEqual([0, 1])
  for (const most of [0, 0.013, 3, 99, 1234, 1e6]) {
    const marks = ticks(most)
    expect(marks.length).toBeGreaterThan(1)
    expect(marks.at(-1)).toBeGreaterThanOrEqual(most)
    expect(marks.length).toBeLessThanOrEqual(6)
  }
})
