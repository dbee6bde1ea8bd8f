'use strict'

// What a scraper gets: text in the strict format, every figure of the statistics in it, each once.

const { renderMetrics, renderPools } = require('../lib/metrics')
const { parse } = require('./support/exposition-parser')
const { endpointFigures, poolFigures } = require('./support/figures-of-a-pool')
const { newPool, simulator } = require('./support/stage')

/** Names that others gave; they keep their unit and ending. */
const NAMED_ELSEWHERE = [
  'health_check_failures',
  'connection_pool_acquire_duration_ms',
  'connection_pool_queue_size',
  'connection_pool_race_detected',
]

function value(families, family, labels, name = family) {
  const wanted = { pool: 'main', ...labels }
  const found = families
    .get(family)
    .samples.filter(
      (sample) =>
        sample.name === name &&
        Object.keys(sample.labels).length === Object.keys(wanted).length &&
        Object.entries(wanted).every(([label, text]) => sample.labels[label] === text),
    )
  expect(found).toHaveLength(1)
  return found[0].value
}

const families = parse(renderMetrics('main', poolFigures()))

test('counters end in _total, times are in seconds, and everything of ours has our prefix', () => {
  for (const [name, { type, samples }] of families) {
    expect(samples).not.toHaveLength(0)
    if (NAMED_ELSEWHERE.includes(name)) continue
    expect(name).toMatch(/^blender_pool_/)
    expect(name).not.toMatch(/_ms(_|$)/)
    expect(name.endsWith('_total')).toBe(type === 'counter')
    if (type === 'summary') expect(name).toMatch(/_seconds$/)
  }
})

test('connections are told by state, and calls that wait beside them', () => {
  const states = { idle: 1, inUse: 2, connecting: 3, unusable: 4 }
  for (const [state, count] of Object.entries(states)) {
    expect(value(families, 'blender_pool_connections', { state })).toBe(count)
    const labels = { state, endpoint: 'left' }
    expect(value(families, 'blender_pool_endpoint_connections', labels)).toBe(count)
  }
  expect(value(families, 'blender_pool_connections_min')).toBe(6)
  expect(value(families, 'blender_pool_connections_max')).toBe(12)
  expect(value(families, 'blender_pool_waiting')).toBe(5)
})

test.each([
  ['acquired', 'acquired_total'],
  ['released', 'released_total'],
  ['created', 'connections_created_total'],
  ['connectFailures', 'connect_failures_total'],
  ['timeouts', 'timeouts_total'],
  ['aborted', 'aborted_total'],
  ['dropped', 'dropped_total'],
  ['commands', 'commands_total'],
  ['commandErrors', 'command_errors_total'],
  ['healthChecks', 'health_checks_total'],
  ['healthCheckFailures', 'health_check_failures_total'],
  ['leaks', 'leaks_total'],
  ['reclaimed', 'reclaimed_total'],
  ['hookFailures', 'hook_failures_total'],
  ['desyncs', 'desyncs_total'],
  ['raceDetected', 'race_detected_total'],
])('%s counts as %s, for the pool and for each endpoint', (figure, name) => {
  const stats = poolFigures()
  expect(value(families, `blender_pool_${name}`)).toBe(stats[figure])
  expect(value(families, `blender_pool_endpoint_${name}`, { endpoint: 'right' })).toBe(
    stats.endpoints[1][figure],
  )
})

test('closed connections are told by reason', () => {
  for (const [reason, count] of Object.entries(poolFigures().closed)) {
    expect(value(families, 'blender_pool_connections_closed_total', { reason })).toBe(count)
  }
})

test.each([
  ['waitMs', 'blender_pool_wait_seconds'],
  ['useMs', 'blender_pool_use_seconds'],
  ['connectMs', 'blender_pool_connect_seconds'],
  ['commandMs', 'blender_pool_command_seconds'],
])('%s becomes the summary %s', (figure, name) => {
  const { count, p50, p95, p99, max } = poolFigures()[figure]
  const given = { 0.5: p50, 0.95: p95, 0.99: p99, 1: max }
  for (const [quantile, ms] of Object.entries(given)) {
    expect(value(families, name, { quantile })).toBeCloseTo(ms / 1000, 12)
  }
  expect(value(families, name, {}, `${name}_count`)).toBe(count)
})

test('a sum is told where there is one, and never made up', () => {
  const text = renderMetrics('main', poolFigures())
  expect(text).not.toContain('_sum')
  const waitMs = { ...poolFigures().waitMs, sum: 5_000 }
  const summed = parse(renderMetrics('main', poolFigures({ waitMs })))
  const name = 'blender_pool_wait_seconds'
  expect(value(summed, name, {}, `${name}_sum`)).toBe(5)
})

test('quantiles of nothing are NaN, and their count is 0', () => {
  const waitMs = { count: 0, p50: 0, p95: 0, p99: 0, max: 0 }
  const fresh = parse(renderMetrics('main', poolFigures({ waitMs })))
  expect(value(fresh, 'blender_pool_wait_seconds', { quantile: '0.99' })).toBeNaN()
  const name = 'blender_pool_wait_seconds'
  expect(value(fresh, name, {}, `${name}_count`)).toBe(0)
})

test('an endpoint is in one state at a time', () => {
  for (const [endpoint, current] of [
    ['left', 'up'],
    ['right', 'down'],
  ]) {
    for (const state of ['up', 'down', 'probing', 'unknown']) {
      const labels = { endpoint, state }
      expect(value(families, 'blender_pool_endpoint_state', labels)).toBe(Number(state === current))
    }
  }
  const right = { endpoint: 'right' }
  expect(value(families, 'blender_pool_endpoint_info', { ...right, dialect: 'unknown' })).toBe(1)
  expect(value(families, 'blender_pool_endpoint_consecutive_failures', right)).toBe(4)
  expect(value(families, 'blender_pool_endpoint_retry_seconds', right)).toBe(0.25)
  const left = { endpoint: 'left' }
  expect(value(families, 'blender_pool_endpoint_info', { ...left, dialect: 'worker' })).toBe(1)
  expect(value(families, 'blender_pool_endpoint_latency_seconds', left)).toBe(0.0015)
})

test('what is not known makes no line', () => {
  const measured = families.get('blender_pool_endpoint_latency_seconds').samples
  expect(measured.map(({ labels }) => labels.endpoint)).toEqual(['left'])
  const retried = families.get('blender_pool_endpoint_retry_seconds').samples
  expect(retried.map(({ labels }) => labels.endpoint)).toEqual(['right'])
  expect(renderMetrics('main', {})).toBe('')
})

test('the names that monitoring asked for are there, with their dotted names', () => {
  expect([...families.keys()]).toEqual(expect.arrayContaining(NAMED_ELSEWHERE))
  expect(value(families, 'health_check_failures')).toBe(13)
  expect(value(families, 'connection_pool_queue_size')).toBe(5)
  expect(value(families, 'connection_pool_race_detected')).toBe(0)
  const quantile = '0.99'
  expect(value(families, 'connection_pool_acquire_duration_ms', { quantile })).toBe(6)
  for (const [name, dotted] of [
    ['health_check_failures', 'health_check.failures'],
    ['connection_pool_acquire_duration_ms', 'connection_pool.acquire_duration_ms'],
    ['connection_pool_queue_size', 'connection_pool.queue_size'],
    ['connection_pool_race_detected', 'connection_pool.race_detected'],
  ]) {
    expect(families.get(name).help).toContain(dotted)
  }
})

test.each([
  'a "quoted" one',
  'C:\\Blender\\4.2',
  'two\nlines',
  'unix:/tmp/{a},b="c"',
  'Würfel 🧊',
  '\\n',
])('a name survives: %j', (name) => {
  const stats = poolFigures({ endpoints: [endpointFigures({ name })] })
  const [sample] = parse(renderMetrics(name, stats)).get('blender_pool_endpoint_in_flight').samples
  expect(sample.labels).toEqual({ pool: name, endpoint: name })
})

test('several pools share one text, each series once', () => {
  const both = parse(
    renderPools([
      ['left', poolFigures()],
      ['right', poolFigures({ waiting: 77 })],
    ]),
  )
  expect(value(both, 'blender_pool_waiting', { pool: 'left' })).toBe(5)
  expect(value(both, 'blender_pool_waiting', { pool: 'right' })).toBe(77)
})

test('two pools of one name are refused, for they would be one series', () => {
  const pools = [
    ['main', poolFigures()],
    ['main', poolFigures()],
  ]
  expect(() => renderPools(pools)).toThrow(
    expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }),
  )
})

test('a real pool tells what it did', async () => {
  const { address } = await simulator({ dialect: 'worker' })
  const pool = newPool({ name: 'main', endpoints: { name: 'studio', address }, dialect: 'worker' })
  await pool.execute('ping')
  const told = parse(renderMetrics(pool.name, pool.stats()))
  expect(value(told, 'blender_pool_commands_total')).toBe(1)
  expect(value(told, 'blender_pool_connections', { state: 'idle' })).toBe(1)
  expect(value(told, 'connection_pool_race_detected')).toBe(0)
})
