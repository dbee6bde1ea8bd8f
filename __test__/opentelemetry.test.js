'use strict'

// What an OpenTelemetry SDK collects from a pool, compared with the semantic conventions for the connection
// pools of database clients.

const { EventEmitter, once } = require('node:events')
const api = require('@opentelemetry/api')
const { MeterProvider, MetricReader } = require('@opentelemetry/sdk-metrics')
const { instrument } = require('../opentelemetry')
const { poolFigures } = require('./support/figures-of-a-pool')
const { newPool, simulator } = require('./support/stage')
const { version } = require('../package.json')

/** name, unit, kind of instrument; the nine of the conventions. */
const CONVENTIONS = [
  ['db.client.connection.count', '{connection}', 'UpDownCounter'],
  ['db.client.connection.idle.max', '{connection}', 'UpDownCounter'],
  ['db.client.connection.idle.min', '{connection}', 'UpDownCounter'],
  ['db.client.connection.max', '{connection}', 'UpDownCounter'],
  ['db.client.connection.pending_requests', '{request}', 'UpDownCounter'],
  ['db.client.connection.timeouts', '{timeout}', 'Counter'],
  ['db.client.connection.create_time', 's', 'Histogram'],
  ['db.client.connection.wait_time', 's', 'Histogram'],
  ['db.client.connection.use_time', 's', 'Histogram'],
]

/** The kind of instrument that makes such data: [the data is a sum, it only grows]. */
const KINDS = { UpDownCounter: [true, false], Counter: [true, true], Histogram: [false, undefined] }

/** Collects when it is asked. */
class Reader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

function sdk() {
  const reader = new Reader()
  const meterProvider = new MeterProvider({ readers: [reader] })
  /** The data of each metric by its name. */
  const collect = async () => {
    const { resourceMetrics, errors } = await reader.collect()
    expect(errors).toEqual([])
    const scopes = resourceMetrics.scopeMetrics
    for (const { scope } of scopes) expect(scope).toMatchObject({ name: 'blender-pool', version })
    return new Map(
      scopes.flatMap(({ metrics }) => metrics).map((metric) => [metric.descriptor.name, metric]),
    )
  }
  return { meterProvider, collect }
}

/** A pool of which a test says what happens. */
function standIn(name = 'studio') {
  return Object.assign(new EventEmitter(), { name, stats: jest.fn(() => poolFigures()) })
}

/** All three histograms need a value to be collected. */
function useOnce(pool) {
  pool.emit('connectionReady', {
    connectionId: 1,
    endpoint: 'left',
    dialect: 'worker',
    durationMs: 3,
  })
  pool.emit('connectionCheckedOut', { connectionId: 1, endpoint: 'left', durationMs: 0.25 })
  pool.emit('connectionCheckedIn', { connectionId: 1, endpoint: 'left', durationMs: 1500 })
}

const points = (metric) => metric.dataPoints.map(({ value, attributes }) => [value, attributes])

test.each(
  CONVENTIONS,
)('%s is there, in %s, as the conventions have it', async (name, unit, kind) => {
  const { meterProvider, collect } = sdk()
  const pool = standIn()
  instrument(pool, { meterProvider })
  useOnce(pool)
  const metric = (await collect()).get(name)
  expect(metric.descriptor.unit).toBe(unit)
  const [isSum, grows] = KINDS[kind]
  expect('value' in metric.dataPoints[0] && typeof metric.dataPoints[0].value === 'number').toBe(
    isSum,
  )
  expect(metric.isMonotonic).toBe(grows)
  for (const { attributes } of metric.dataPoints) {
    expect(attributes['db.client.connection.pool.name']).toBe('studio')
  }
})

test('nothing else is there', async () => {
  const { meterProvider, collect } = sdk()
  const pool = standIn()
  instrument(pool, { meterProvider })
  useOnce(pool)
  expect([...(await collect()).keys()].sort()).toEqual(CONVENTIONS.map(([name]) => name).sort())
})

test('gauges come from the statistics, those of each Blender, read once for a collection', async () => {
  const { meterProvider, collect } = sdk()
  const pool = standIn()
  instrument(pool, { meterProvider })
  const metrics = await collect()
  expect(pool.stats).toHaveBeenCalledTimes(1)
  const states = { idle: 1, used: 2, connecting: 3, unusable: 4 }
  const expected = ['left', 'right'].flatMap((endpoint) =>
    Object.entries(states).map(([state, count]) => [
      count,
      {
        'db.client.connection.pool.name': 'studio',
        'db.client.connection.state': state,
        'blender_pool.endpoint': endpoint,
      },
    ]),
  )
  expect(points(metrics.get('db.client.connection.count'))).toEqual(expected)
  const only = (name) => metrics.get(`db.client.connection.${name}`).dataPoints[0].value
  expect(only('idle.max')).toBe(12)
  expect(only('idle.min')).toBe(6)
  expect(only('max')).toBe(12)
  expect(only('pending_requests')).toBe(5)
})

test('durations are recorded in seconds, in buckets that fit', async () => {
  const { meterProvider, collect } = sdk()
  const pool = standIn()
  instrument(pool, { meterProvider })
  useOnce(pool)
  const metrics = await collect()
  for (const [name, seconds] of [
    ['create_time', 0.003],
    ['wait_time', 0.00025],
    ['use_time', 1.5],
  ]) {
    const [{ value, attributes }] = metrics.get(`db.client.connection.${name}`).dataPoints
    expect(attributes['blender_pool.endpoint']).toBe('left')
    expect(value).toMatchObject({ count: 1, sum: seconds })
    const { boundaries, counts } = value.buckets
    const bucket = counts.indexOf(1)
    expect(boundaries[bucket]).toBeGreaterThanOrEqual(seconds)
    expect(boundaries[bucket - 1]).toBeLessThan(seconds)
  }
})

test('timeouts count the calls that found no connection in time, from 0', async () => {
  const { meterProvider, collect } = sdk()
  const pool = standIn()
  instrument(pool, { meterProvider })
  const name = 'db.client.connection.timeouts'
  const attributes = { 'db.client.connection.pool.name': 'studio' }
  expect(points((await collect()).get(name))).toEqual([[0, attributes]])
  for (const reason of ['timeout', 'aborted', 'queueFull', 'timeout']) {
    pool.emit('connectionCheckOutFailed', { reason, durationMs: 1 })
  }
  expect(points((await collect()).get(name))).toEqual([[2, attributes]])
})

test('several pools stand side by side, each with attributes of its own', async () => {
  const { meterProvider, collect } = sdk()
  instrument(standIn('left'), { meterProvider, attributes: { 'deployment.environment': 'farm' } })
  instrument(standIn('right'), { meterProvider })
  expect(points((await collect()).get('db.client.connection.max'))).toEqual([
    [12, { 'deployment.environment': 'farm', 'db.client.connection.pool.name': 'left' }],
    [12, { 'db.client.connection.pool.name': 'right' }],
  ])
})

test('stop() takes every listener away and asks no more, as often as it is called', async () => {
  const { meterProvider, collect } = sdk()
  const pool = standIn()
  const stop = instrument(pool, { meterProvider })
  useOnce(pool)
  await collect()
  stop()
  stop()
  expect(pool.eventNames()).toEqual([])
  pool.stats.mockClear()
  useOnce(pool)
  const metrics = await collect()
  expect(pool.stats).not.toHaveBeenCalled()
  // The SDK goes on with what it has.
  expect(metrics.get('db.client.connection.use_time').dataPoints[0].value.count).toBe(1)
})

describe('without a meterProvider', () => {
  afterEach(() => {
    api.metrics.disable()
    jest.resetModules()
    jest.dontMock('@opentelemetry/api')
  })

  test('the one that the application registered is used', async () => {
    const { meterProvider, collect } = sdk()
    api.metrics.setGlobalMeterProvider(meterProvider)
    instrument(standIn())
    expect((await collect()).has('db.client.connection.count')).toBe(true)
  })

  test('and without one registered, nothing happens', () => {
    const pool = standIn()
    instrument(pool)()
    useOnce(pool)
    expect(pool.stats).not.toHaveBeenCalled()
  })

  const withoutApi = (code) => {
    jest.resetModules()
    jest.doMock('@opentelemetry/api', () => {
      throw Object.assign(new Error('from require()'), { code })
    })
    return require('../opentelemetry').instrument
  }

  test('and without @opentelemetry/api it says what to install, or to give', () => {
    const act = () => withoutApi('MODULE_NOT_FOUND')(standIn())
    expect(act).toThrow(/npm install @opentelemetry\/api.*meterProvider/)
  })

  test('and with a broken @opentelemetry/api it says what is broken', () => {
    expect(() => withoutApi('ERR_REQUIRE_ESM')(standIn())).toThrow('from require()')
  })

  test('a meterProvider of one’s own needs no @opentelemetry/api', async () => {
    const { meterProvider, collect } = sdk()
    withoutApi('MODULE_NOT_FOUND')(standIn(), { meterProvider })
    expect((await collect()).has('db.client.connection.count')).toBe(true)
  })
})

test.each([
  ['pool', () => instrument({}, {})],
  ['meterProvider', () => instrument(standIn(), { meterProvider: {} })],
  ['attributes', () => instrument(standIn(), { attributes: 'farm' })],
  ['provider', () => instrument(standIn(), { provider: {} })],
])('what is wrong with %s is said', (_option, act) => {
  expect(act).toThrow(expect.objectContaining({ code: 'ERR_POOL_INVALID_OPTION' }))
})

test('a real pool is measured', async () => {
  const { address } = await simulator({ dialect: 'worker' })
  const pool = newPool({
    name: 'studio',
    endpoints: { name: 'left', address },
    dialect: 'worker',
  })
  const { meterProvider, collect } = sdk()
  instrument(pool, { meterProvider })
  const checkedIn = once(pool, 'connectionCheckedIn')
  await pool.use((connection) => connection.execute('ping'))
  await checkedIn
  const metrics = await collect()
  const idle = metrics
    .get('db.client.connection.count')
    .dataPoints.find(({ attributes }) => attributes['db.client.connection.state'] === 'idle')
  expect(idle.value).toBe(1)
  for (const name of ['create_time', 'wait_time', 'use_time']) {
    const [{ value, attributes }] = metrics.get(`db.client.connection.${name}`).dataPoints
    expect([name, value.count, attributes['blender_pool.endpoint']]).toEqual([name, 1, 'left'])
    expect(value.sum).toBeGreaterThan(0)
    expect(value.sum).toBeLessThan(5)
  }
})
