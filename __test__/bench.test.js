'use strict'

// The benchmarks measure in a fair order and count right; how fast anything is, is no test's business.

const { alternate, inTurn } = require('../bench/run/alternate')
const { withMeasured } = require('../bench/run/docs')
const { rowOf } = require('../bench/run/row')
const { figureOf, growthOf, median, quantile, ratioOf } = require('../bench/run/statistics')
const { aligned, markdown, rowTable, summary } = require('../bench/run/table')
const { quantity, range } = require('../bench/run/words')
const { pageOf } = require('../bench/report')
const { faultOf, scenarios } = require('../bench/scenarios')

/** Contestants that measure what they are told to, and write down when they were asked. */
function scenarioOf(given, told = []) {
  const contestant = (name, values) => ({
    name,
    make: (size) => ({
      round(round) {
        told.push(`${name} ${size} ${round}`)
        return values(size, round)
      },
      close: () => told.push(`${name} ${size} closed`),
    }),
  })
  return {
    number: 99,
    title: 'a <trial>',
    unit: 'ns',
    reach: { ratio: 0.5 },
    sides: 'Both do the same & nothing.',
    label: 'slots',
    sizes: [10, 1000],
    rounds: { short: 3, full: 5 },
    contestants: [
      contestant('blender-pool', (size, round) => size * (10 + round)),
      contestant('quick', (size) => size * 20),
      contestant('slow', (size) => size * 90),
    ],
    ...given,
  }
}

/** What came of it, without the frame that plays it. */
function rowOfTrial(given) {
  const scenario = scenarioOf(given)
  const series = scenario.contestants.flatMap(({ name, make, upTo = 1e9 }) =>
    scenario.sizes
      .filter((size) => size <= upTo)
      .map((size) => {
        const measured = [1, 2, 3].map((round) => make(size).round(round))
        const rounds = measured.map((one) => (typeof one === 'object' ? one : { value: one }))
        return { contestant: name, size, rounds }
      }),
  )
  return rowOf(scenario, series, 1234)
}

/** The contestants of a trial, each with something else. */
const trialists = (...changes) =>
  scenarioOf().contestants.map((one, at) => ({ ...one, ...changes[at] }))

const play = (scenario) => alternate(scenario, { full: false })

const resultOf = (rows) => ({
  startedAt: '2026-01-02T03:04:05.678Z',
  tookMs: 61_000,
  full: true,
  machine: {
    cpu: 'Abacus',
    cores: 2,
    memoryGb: 24,
    system: 'Linux',
    node: 'v20',
    v8: '11',
    rust: null,
    version: '1.2.3',
    peers: { tarn: '3' },
    load: { before: 0.5, after: 1.5 },
  },
  rows,
  missing: [{ number: 97, title: 'a third', why: 'no <cargo>' }],
  broken: [{ number: 98, title: 'another', error: 'Error: <nobody> there' }],
})

test('a median lies between the two in the middle, whatever order they came in', () => {
  expect(median([9, 1, 5])).toBe(5)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([7])).toBe(7)
  expect(median([100, 20, 3])).toBe(20)
  expect(median([])).toBeNaN()
})

test('a quantile is measured or lies between two that were', () => {
  const hundred = Float64Array.from({ length: 101 }, (_, index) => 100 - index)
  expect(quantile(hundred, 0.99)).toBe(99)
  expect(quantile(hundred, 0)).toBe(0)
  expect(quantile(hundred, 1)).toBe(100)
  expect(quantile([0, 10], 0.1)).toBeCloseTo(1)
  expect(hundred[0]).toBe(100)
})

test('a ratio is that of the medians, and its spread that of the rounds', () => {
  const { ratio, low, high } = ratioOf(figureOf([1, 2, 30]), figureOf([10, 4, 30]))
  expect(ratio).toBe(0.2)
  expect(low).toBeCloseTo(0.18)
  expect(high).toBeCloseTo(0.9)
})

test('growth is the power of the size between the smallest and the largest', () => {
  const points = (values) => values.map((value, at) => ({ size: 10 ** (3 - at), value }))
  expect(growthOf(points([7, 99, 7]))).toBe(0)
  expect(growthOf(points([5000, 500, 50]))).toBeCloseTo(1)
  expect(growthOf(points([1_000_000, 1, 100]))).toBeCloseTo(2)
  expect(growthOf(points([5]))).toBeNull()
})

test('every round goes in the opposite order of the one before', () => {
  expect([1, 2, 3, 4].map((round) => inTurn(['a', 'b', 'c'], round).join(''))).toEqual([
    'cba',
    'abc',
    'cba',
    'abc',
  ])
})

test('all stand at a size together, warm up in a round that is thrown away, and are closed', async () => {
  const told = []
  const series = await play(scenarioOf({ sizes: [10] }, told))
  expect(told.slice(0, 6).map((line) => line.replace(' 10', ''))).toEqual([
    'blender-pool 0',
    'quick 0',
    'slow 0',
    'slow 1',
    'quick 1',
    'blender-pool 1',
  ])
  expect(told.slice(-3)).toEqual(['blender-pool 10 closed', 'quick 10 closed', 'slow 10 closed'])
  expect(series[0].rounds.map(({ value }) => value)).toEqual([110, 120, 130])
})

test('who does not warm up is measured from the first round on', async () => {
  const told = []
  const rounds = { short: 1, full: 1 }
  await play(scenarioOf({ sizes: [10], warmUp: false, rounds }, told))
  expect(told.slice(0, 3)).toEqual(['slow 10 1', 'quick 10 1', 'blender-pool 10 1'])
})

test('the short form has its own sizes where it names them, and its row no others', async () => {
  const scenario = scenarioOf({ shortSizes: [10], rounds: { short: 1, full: 1 } })
  const sizesOf = async (full) => {
    const series = await alternate(scenario, { full })
    return rowOf(scenario, series, 1).sizes
  }
  expect(await sizesOf(false)).toEqual([10])
  expect(await sizesOf(true)).toEqual([10, 1000])
})

test('who would take too long at a size sits that out', async () => {
  const contestants = trialists({}, { upTo: 10 })
  const series = await play(scenarioOf({ contestants, rounds: { short: 1, full: 1 } }))
  expect(series.map(({ contestant, size }) => `${contestant} ${size}`)).toEqual([
    'blender-pool 10',
    'quick 10',
    'slow 10',
    'blender-pool 1000',
    'slow 1000',
  ])
  const row = rowOfTrial({ contestants })
  expect(row.verdicts.map(({ peer }) => peer.name)).toEqual(['quick', 'slow'])
})

test('whoever fails is named, and all are closed', async () => {
  const told = []
  const scenario = scenarioOf({}, told)
  const { make } = scenario.contestants[1]
  scenario.contestants[1].make = (size) => ({
    ...make(size),
    round: () => Promise.reject(new Error('lost one')),
  })
  await expect(play(scenario)).rejects.toThrow('quick: lost one')
  expect(told.filter((line) => line.includes('closed'))).toHaveLength(3)
})

test.each([
  ['something else than a number', 'fast', /value is fast/],
  ['no number', Number.NaN, /value is NaN/],
  ['a measure that nobody knows', { value: 1, speed: 2 }, /speed is 2/],
])('%s is no figure', async (_, measured, told) => {
  const scenario = scenarioOf()
  scenario.contestants[0].make = () => ({ round: () => measured })
  await expect(play(scenario)).rejects.toThrow(told)
})

test('ours is compared with the fastest peer of each size, never with a reference', () => {
  const row = rowOfTrial({ contestants: trialists({}, { side: 'reference' }) })
  expect(row.verdicts.map(({ peer }) => peer.name)).toEqual(['slow', 'slow'])
  expect(row.entrants[0].sizes[0].measures.value.versus).toMatchObject({ peer: 'slow' })
  expect(rowOfTrial().verdicts.map(({ peer }) => peer.name)).toEqual(['quick', 'quick'])
})

test('of what is better when it is more, the best peer is the one with most', () => {
  expect(rowOfTrial({ better: 'more' }).verdicts[0].peer.name).toBe('slow')
})

test.each([
  [{ ratio: 0.6 }, { got: 0.6, reached: true }],
  [{ ratio: 0.59 }, { got: 0.6, reached: false }],
  [
    { ratio: 0.2, versus: 'slow' },
    { reached: true, peer: { name: 'slow', value: 900 } },
  ],
  [
    { ratio: 0.2, versus: 'nobody' },
    { got: null, reached: null, peer: null },
  ],
  [{ atMost: 120 }, { got: 120, reached: true, size: 10 }],
  [{ atMost: 119 }, { reached: false }],
  [{ atLeast: 120 }, { reached: true }],
  [{ atLeast: 121 }, { reached: false }],
  [{ growth: 1.01 }, { size: null, reached: true }],
  [{ growth: 0.99 }, { size: null, reached: false }],
  [
    { atMost: 120, sizes: [1000] },
    { got: 12_000, reached: false, size: 1000 },
  ],
])('to reach %j', (reach, verdict) => {
  expect(rowOfTrial({ reach }).verdicts[0]).toMatchObject(verdict)
})

test('with no limit it is shown beside whom it is to be compared with, and not judged', () => {
  const among = { title: 'of the slow', peers: ['slow'] }
  const row = rowOfTrial({ reach: [{ ratio: 0.6 }, { among }, {}], sizes: [10] })
  expect(row.verdicts).toMatchObject([
    { reached: true, peer: { name: 'quick' } },
    { kind: 'ratio', limit: null, reached: null, got: 120 / 900, peer: { name: 'slow' } },
    { kind: 'figure', limit: null, reached: null, got: 120 },
  ])
  const [, , beside, alone] = summary([row])
  expect(beside.slice(1, 2).concat(beside.slice(-3))).toEqual([
    'a <trial>, of the slow',
    '–',
    '0.133 ×',
    '–',
  ])
  expect(alone.slice(-3)).toEqual(['–', '120 ns', '–'])
  expect(pageOf(resultOf([row]))).not.toMatch(/NaN|undefined|null/)
})

test('what is only told aside is compared with nobody, and not drawn', () => {
  const rounds = (value, width) => ({ make: () => ({ round: () => ({ value, width }) }) })
  const row = rowOfTrial({
    sizes: [10],
    measures: { width: { title: 'the width', unit: 'percent', aside: true } },
    contestants: trialists(rounds(1, 5), rounds(2, 7), rounds(3, 9)),
  })
  expect(row.entrants[0].sizes[0].measures.value.versus).toBeDefined()
  expect(row.entrants[0].sizes[0].measures.width.versus).toBeUndefined()
  const page = pageOf(resultOf([row]))
  expect(page).not.toContain('<h3>the width')
  expect(page).toContain('<th>the width</th>')
})

test('measures beside the figure have names, units and comparisons of their own', () => {
  const row = rowOfTrial({
    measures: { p99: { title: 'p99', unit: 'us' } },
    reach: [{ measure: 'p99', atMost: 7 }],
    sizes: [10],
    contestants: trialists(
      { make: () => ({ round: () => ({ value: 1, p99: 7 }) }) },
      {},
      { make: () => ({ round: () => ({ value: 2, p99: 14 }) }) },
    ),
  })
  expect(row.verdicts).toMatchObject([{ measure: 'p99', ours: 7, reached: true }])
  expect(row.entrants[0].sizes[0].measures.p99.versus).toMatchObject({ peer: 'slow', ratio: 0.5 })
})

test('figures are told in the unit that reads best', () => {
  expect(quantity(730.4, 'ns')).toBe('730 ns')
  expect(quantity(5_126_754, 'ns')).toBe('5 127 µs')
  expect(quantity(0.00225, 'ms')).toBe('2.25 µs')
  expect(quantity(0.711, 'us')).toBe('711 ns')
  expect(quantity(0, 'ms')).toBe('0 ms')
  expect(quantity(12_000, 'count')).toBe('12 000')
  expect(quantity(1.5, 'percent')).toBe('1.5 %')
  expect(range(3290, 4308, 'ns')).toBe('3 290–4 308 ns')
  expect(range(9900, 12_300, 'ns')).toBe('9.9–12.3 µs')
})

test('the terminal gets every figure, and the sum what was to be reached', () => {
  const row = rowOfTrial()
  const text = rowTable(row)
  expect(text).toContain('99. a <trial> (1.2 s)')
  expect(text).toMatch(/^ {2}10 +blender-pool +120 ns \(112–128 ns\) 0\.6 ×$/m)
  expect(text).toMatch(/^ {2}1 000 +slow +90 µs$/m)
  const sum = summary([row])
  expect(sum[1]).toEqual([
    '99',
    'a <trial>',
    '10 slots',
    '120 ns',
    'quick: 200 ns',
    '≤ 0.5 ×',
    '0.6 ×',
    'no',
  ])
  expect(aligned(sum).split('\n')).toHaveLength(3)
  expect(markdown(sum)).toMatch(/^\| # \| scenario .*\n\| --- \|/)
})

test('the page tells all, runs no script, loads nothing and takes no text for markup', () => {
  const row = rowOfTrial({ reach: [{ ratio: 0.5 }, { atMost: 1e6 }, { growth: 2 }] })
  const page = pageOf(resultOf([row]))
  expect(page).toContain('99. a &lt;trial&gt;')
  expect(page).toContain('Both do the same &amp; nothing.')
  expect(page).toContain('Error: &lt;nobody&gt; there')
  expect(page).toContain('Growth with slots')
  expect(page).toContain('Of 5 aims 3 were reached in this run. 2 could not be measured.')
  expect(page).toContain('It cannot be measured here: no &lt;cargo&gt;')
  expect(page).not.toMatch(/<script|<link|src=|url\(|NaN|undefined|<trial>/)
})

test('a row of one size, or with figures of nothing at all, is drawn too', () => {
  const none = { make: () => ({ round: () => 0 }) }
  const contestants = trialists(none, none, none)
  const one = rowOfTrial({ sizes: [1], reach: { atMost: 3 }, contestants })
  const two = rowOfTrial({ reach: [{ atMost: 3 }, { growth: 1 }], contestants })
  const page = pageOf(resultOf([one, two]))
  expect(page).not.toMatch(/NaN|undefined|Infinity|Growth with/)
})

test('beside figures far apart, the scale is logarithmic, and nothing at all is a bar too', () => {
  const contestants = trialists({ make: () => ({ round: () => 0 }) })
  const page = pageOf(resultOf([rowOfTrial({ contestants })]))
  expect(page).toContain('ns, logarithmic')
  expect(page).not.toMatch(/NaN|undefined|Infinity/)
})

test('the table in the documents is replaced, and the words around it are kept', () => {
  const before = 'Above.\n<!-- measured -->\nold\n<!-- end of measured -->\nBelow.'
  const after = withMeasured(before, resultOf([rowOfTrial()]))
  expect(after).toMatch(
    /^Above\.\n<!-- measured -->\n\n[\s\S]*\n\n<!-- end of measured -->\nBelow\.$/,
  )
  expect(after).toContain('| 99 | a <trial> | 10 slots |')
  expect(after).toContain('Not measured: 97 (a third), 98 (another).')
  expect(after).not.toContain('old')
  expect(withMeasured(after, resultOf([]))).not.toContain('| 99 |')
  expect(() => withMeasured('no markers', resultOf([]))).toThrow(/markers/)
})

test('every scenario keeps to the contract, and no number is there twice', () => {
  const all = scenarios()
  const numbers = all.map(({ number }) => number)
  expect(new Set(numbers).size).toBe(numbers.length)
  expect(numbers).toEqual(expect.arrayContaining([1, 2, 3, 6, 7, 8, 13, 14]))
})

test.each([
  [{ title: '' }, /title/],
  [{ sides: undefined }, /sides/],
  [{ sizes: [] }, /sizes/],
  [{ rounds: { short: 1 } }, /rounds/],
  [{ reach: undefined }, /reach/],
  [{ reach: { measure: 'p99', atMost: 1 } }, /unknown measure p99/],
  [{ contestants: [] }, /nobody/],
  [{ contestants: [{ name: 'tarn', make() {} }] }, /not ours/],
  [{ contestants: [{ name: 'blender-pool' }] }, /no make/],
])('a scenario with %j is refused', (given, why) => {
  expect(faultOf(scenarioOf(given))).toMatch(why)
})
