// @ts-check
'use strict'
// A pool's figures as OpenTelemetry metrics, under the names that the semantic conventions give to the
// connection pools of database clients, so that existing dashboards know them.
// https://opentelemetry.io/docs/specs/semconv/db/database-metrics/ (status: development)

const { invalidOption, unknownOption } = require('../lib/invalid-option')
const { version } = require('../package.json')

/** @typedef {import('@opentelemetry/api').Meter} Meter */
/** @typedef {import('@opentelemetry/api').MeterProvider} MeterProvider */
/** @typedef {import('@opentelemetry/api').Attributes} Attributes */
/** @typedef {import('./index').InstrumentedPool} InstrumentedPool */
/** @typedef {Record<string, any>} Stats */

const POOL_NAME = 'db.client.connection.pool.name'
const STATE = 'db.client.connection.state'
/** Ours: which of a pool's Blenders, by its name. A sum over it is the pool's figure. */
const ENDPOINT = 'blender_pool.endpoint'

/** Our word for a state, and the conventions'; they allow others where neither of their two fits. */
const STATES = [
  ['idle', 'idle'],
  ['inUse', 'used'],
  ['connecting', 'connecting'],
  ['unusable', 'unusable'],
]

/** @type {[name: string, unit: string, description: string, read: (stats: Stats) => [Attributes, number][]][]} */
const GAUGES = [
  [
    'db.client.connection.count',
    '{connection}',
    'Connections by state.',
    ({ endpoints }) =>
      endpoints.flatMap((/** @type {Stats} */ endpoint) =>
        STATES.map(([ours, theirs]) => [
          { [STATE]: theirs, [ENDPOINT]: endpoint.name },
          endpoint[ours],
        ]),
      ),
  ],
  // Nothing but its size limits how many connections of a pool may be idle.
  [
    'db.client.connection.idle.max',
    '{connection}',
    'Idle connections that are allowed.',
    ({ max }) => [[{}, max]],
  ],
  [
    'db.client.connection.idle.min',
    '{connection}',
    'Connections that are kept open.',
    ({ min }) => [[{}, min]],
  ],
  [
    'db.client.connection.max',
    '{connection}',
    'Connections that are allowed.',
    ({ max }) => [[{}, max]],
  ],
  [
    'db.client.connection.pending_requests',
    '{request}',
    'Calls that wait for a connection.',
    ({ waiting }) => [[{}, waiting]],
  ],
]

/** @type {[name: string, description: string, event: string][]} */
const HISTOGRAMS = [
  ['db.client.connection.create_time', 'From connecting to ready.', 'connectionReady'],
  ['db.client.connection.wait_time', 'Waiting for a connection.', 'connectionCheckedOut'],
  ['db.client.connection.use_time', 'From check-out to check-in.', 'connectionCheckedIn'],
]

/** Seconds, from a hand-over within the process to a long render. */
const BOUNDARIES = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300]

/** @param {unknown} provider */
function checkProvider(provider) {
  if (typeof (/** @type {any} */ (provider)?.getMeter) !== 'function') {
    throw invalidOption('meterProvider', provider, 'a MeterProvider, which has getMeter()')
  }
  return /** @type {MeterProvider} */ (provider)
}

/** @returns {MeterProvider} the one that the application registered; one that does nothing if it has not */
function globalProvider() {
  try {
    return require('@opentelemetry/api').metrics.getMeterProvider()
  } catch (cause) {
    if (/** @type {NodeJS.ErrnoException} */ (cause).code !== 'MODULE_NOT_FOUND') throw cause
    const message =
      'blender-pool/opentelemetry needs @opentelemetry/api, or a meterProvider of yours. ' +
      'Run "npm install @opentelemetry/api", or call instrument(pool, { meterProvider }).'
    throw new Error(message, { cause })
  }
}

/**
 * @param {InstrumentedPool} pool
 * @param {unknown} given
 * @returns {{ provider: MeterProvider, attributes: Attributes }}
 */
function readOptions(pool, given) {
  if (typeof pool?.stats !== 'function' || typeof pool.on !== 'function') {
    throw invalidOption('pool', pool, 'a pool, which has stats() and events')
  }
  const options = /** @type {Record<string, any>} */ (given ?? {})
  const known = ['meterProvider', 'attributes']
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw unknownOption(name, 'instrument()', known)
  }
  const { meterProvider, attributes } = options
  if (attributes !== undefined && (typeof attributes !== 'object' || attributes === null)) {
    throw invalidOption('attributes', attributes, 'an object')
  }
  return {
    provider: meterProvider === undefined ? globalProvider() : checkProvider(meterProvider),
    attributes: { ...attributes, [POOL_NAME]: pool.name },
  }
}

/**
 * Gauges are read once for each collection, in one batch, so that they fit together.
 * @param {Meter} meter
 * @param {InstrumentedPool} pool
 * @param {Attributes} attributes
 * @returns {() => void} stops it
 */
function observe(meter, pool, attributes) {
  const gauges = GAUGES.map(([name, unit, description, read]) => ({
    read,
    instrument: meter.createObservableUpDownCounter(name, { unit, description }),
  }))
  const instruments = gauges.map(({ instrument }) => instrument)
  /** @param {import('@opentelemetry/api').BatchObservableResult} result */
  const collect = (result) => {
    const stats = pool.stats()
    for (const { instrument, read } of gauges) {
      for (const [own, value] of read(stats)) {
        result.observe(instrument, value, { ...attributes, ...own })
      }
    }
  }
  meter.addBatchObservableCallback(collect, instruments)
  return () => meter.removeBatchObservableCallback(collect, instruments)
}

/**
 * @param {Meter} meter
 * @param {Attributes} attributes
 * @returns {[event: string, listener: (payload: any) => void][]}
 */
function recorders(meter, attributes) {
  const timeouts = meter.createCounter('db.client.connection.timeouts', {
    unit: '{timeout}',
    description: 'Calls whose time ran out while they waited for a connection.',
  })
  // A series that is there from the start shows its first timeout as an increase.
  timeouts.add(0, attributes)
  const advice = { explicitBucketBoundaries: BOUNDARIES }
  return [
    [
      'connectionCheckOutFailed',
      ({ reason }) => {
        if (reason === 'timeout') timeouts.add(1, attributes)
      },
    ],
    ...HISTOGRAMS.map(([name, description, event]) => {
      const histogram = meter.createHistogram(name, { unit: 's', description, advice })
      /** @param {{ endpoint: string, durationMs: number }} payload */
      const record = ({ endpoint, durationMs }) =>
        histogram.record(durationMs / 1000, { ...attributes, [ENDPOINT]: endpoint })
      return /** @type {[string, (payload: any) => void]} */ ([event, record])
    }),
  ]
}

/**
 * @param {InstrumentedPool} pool
 * @param {unknown} [options]
 * @returns {() => void} stop
 */
function instrument(pool, options) {
  const { provider, attributes } = readOptions(pool, options)
  const meter = provider.getMeter('blender-pool', version)
  const stopObserving = observe(meter, pool, attributes)
  const listeners = recorders(meter, attributes)
  for (const [event, listener] of listeners) pool.on(event, listener)
  return () => {
    stopObserving()
    for (const [event, listener] of listeners) pool.off(event, listener)
  }
}

exports.instrument = instrument
