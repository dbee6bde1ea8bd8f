// @ts-check
'use strict'
// A pool's statistics as Prometheus metrics: one table says how each figure is called. Times become
// seconds, counters end in _total; the last rows are the names that older dashboards and alerts ask for,
// as they are known.

const { exposition } = require('./exposition')
const { PoolError } = require('./pool-error')

/** @typedef {import('./exposition').Sample} Sample */
/** @typedef {import('./exposition').Family} Family */

/**
 * The statistics of a pool or of an endpoint; a figure that is missing makes no line.
 * @typedef {Record<string, any>} Figures
 */

/**
 * Figures, and the labels that say whose they are.
 * @typedef {readonly [labels: Readonly<Record<string, string>>, figures: Figures]} Owner
 */

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {Family['type']} type
 * @property {string} help
 * @property {(figures: Figures) => Sample[]} read
 */

const CONNECTION_STATES = ['idle', 'inUse', 'connecting', 'unusable']
const ENDPOINT_STATES = ['up', 'down', 'probing', 'unknown']
const QUANTILES = /** @type {const} */ ([
  ['0.5', 'p50'],
  ['0.95', 'p95'],
  ['0.99', 'p99'],
  ['1', 'max'],
])

/** @param {string} field */
const one = (field) => (/** @type {Figures} */ figures) => [{ labels: {}, value: figures[field] }]

/** @param {string} field */
const seconds = (field) => (/** @type {Figures} */ figures) => {
  const ms = figures[field]
  return [{ labels: {}, value: ms == null ? ms : ms / 1000 }]
}

/**
 * @param {string} field
 * @param {number} [unit] milliseconds in what the metric is in
 */
const quantiles = (field, unit = 1000) => {
  return (/** @type {Figures} */ figures) => {
    const durations = figures[field]
    if (durations == null) return []
    // Of no durations there is no quantile; to leave the line out would look like a metric that is gone.
    const at = (/** @type {'p50' | 'p95' | 'p99' | 'max'} */ key) =>
      durations.count === 0 ? Number.NaN : durations[key] == null ? null : durations[key] / unit
    /** @type {Sample[]} */
    const samples = QUANTILES.map(([quantile, key]) => ({ labels: { quantile }, value: at(key) }))
    if (durations.sum != null) {
      samples.push({ suffix: '_sum', labels: {}, value: durations.sum / unit })
    }
    samples.push({ suffix: '_count', labels: {}, value: durations.count })
    return samples
  }
}

/** @param {Figures} figures */
const connectionsByState = (figures) =>
  CONNECTION_STATES.map((state) => ({ labels: { state }, value: figures[state] }))

/** @param {Figures} figures */
const closedByReason = ({ closed }) =>
  Object.entries(closed ?? {}).map(([reason, value]) => ({ labels: { reason }, value }))

/** @param {Figures} figures 1 for the state it is in, 0 for the others */
const endpointState = (figures) =>
  figures.state === undefined
    ? []
    : ENDPOINT_STATES.map((state) => ({
        labels: { state },
        value: Number(figures.state === state),
      }))

/** @param {Figures} figures */
const dialect = (figures) => [{ labels: { dialect: figures.dialect ?? 'unknown' }, value: 1 }]

/** @type {(type: Row['type'], name: string, help: string, read: Row['read']) => Row} */
const row = (type, name, help, read) => ({ type, name, help, read })

/** What a pool has, and each of its endpoints again. */
const FIGURES = [
  row('gauge', 'connections', 'Connections by state.', connectionsByState),
  row('gauge', 'connections_min', 'Connections that are kept open.', one('min')),
  row('gauge', 'connections_max', 'Connections that are allowed.', one('max')),
  row('gauge', 'waiting', 'Calls that wait for a connection.', one('waiting')),
  row('counter', 'acquired_total', 'Connections given to holders.', one('acquired')),
  row('counter', 'released_total', 'Connections given back by holders.', one('released')),
  row('counter', 'connections_created_total', 'Connections begun.', one('created')),
  row('counter', 'connect_failures_total', 'Connects that failed.', one('connectFailures')),
  row('counter', 'connections_closed_total', 'Connections closed, by reason.', closedByReason),
  row('counter', 'timeouts_total', 'Calls whose time ran out.', one('timeouts')),
  row('counter', 'aborted_total', 'Calls that their callers aborted.', one('aborted')),
  row('counter', 'dropped_total', 'Calls dropped to shorten the queue.', one('dropped')),
  row('counter', 'commands_total', "Callers' commands.", one('commands')),
  row('counter', 'command_errors_total', 'Commands that failed.', one('commandErrors')),
  row(
    'counter',
    'health_checks_total',
    'Pings to see whether Blender answers.',
    one('healthChecks'),
  ),
  row('counter', 'health_check_failures_total', 'Pings that failed.', one('healthCheckFailures')),
  row('counter', 'leaks_total', 'Connections held longer than leakThresholdMs.', one('leaks')),
  row('counter', 'reclaimed_total', 'Connections whose holder forgot them.', one('reclaimed')),
  row('counter', 'hook_failures_total', 'Hooks that threw or hung.', one('hookFailures')),
  row('counter', 'desyncs_total', 'Connections closed for bytes nobody asked for.', one('desyncs')),
  row('counter', 'race_detected_total', 'Slots in an impossible state.', one('raceDetected')),
  row('summary', 'wait_seconds', 'Waiting for a connection.', quantiles('waitMs')),
  row('summary', 'use_seconds', 'From check-out to check-in.', quantiles('useMs')),
  row('summary', 'connect_seconds', 'From connecting to ready.', quantiles('connectMs')),
  row('summary', 'command_seconds', 'From writing a command to its reply.', quantiles('commandMs')),
]

/** What only an endpoint has. */
const ENDPOINT_FIGURES = [
  row('gauge', 'state', '1 for the state the Blender is in.', endpointState),
  row('gauge', 'info', 'Always 1; the dialect is its label.', dialect),
  row('gauge', 'in_flight', 'Commands running there.', one('inFlight')),
  row('gauge', 'consecutive_failures', 'Failed connects in a row.', one('failures')),
  row('gauge', 'retry_seconds', 'Until the next connect is tried.', seconds('retryInMs')),
  row('gauge', 'latency_seconds', 'How long it takes to answer a ping.', seconds('latencyMs')),
  row('gauge', 'generation', 'How often it was cleared.', one('generation')),
]

/** Dots became underscores; otherwise these keep the name, unit and ending they are known by. */
const NAMED_ELSEWHERE = [
  row(
    'counter',
    'health_check_failures',
    'health_check.failures: pings that failed.',
    one('healthCheckFailures'),
  ),
  row(
    'summary',
    'connection_pool_acquire_duration_ms',
    'connection_pool.acquire_duration_ms: waiting for a connection.',
    quantiles('waitMs', 1),
  ),
  row(
    'gauge',
    'connection_pool_queue_size',
    'connection_pool.queue_size: calls that wait for a connection.',
    one('waiting'),
  ),
  row(
    'counter',
    'connection_pool_race_detected',
    'connection_pool.race_detected: slots in an impossible state.',
    one('raceDetected'),
  ),
]

/**
 * @param {string} prefix
 * @param {Row} metric
 * @param {Owner[]} owners
 * @returns {Family}
 */
function family(prefix, { name, type, help, read }, owners) {
  const samples = owners.flatMap(([labels, figures]) =>
    read(figures).map((sample) => ({ ...sample, labels: { ...labels, ...sample.labels } })),
  )
  return { name: `${prefix}${name}`, type, help, samples }
}

/**
 * The metrics of several pools in one text: the format allows each HELP and TYPE only once, so the texts
 * of two pools cannot be put one behind the other.
 * @param {Iterable<readonly [name: string, stats: Figures]>} pools
 * @returns {string}
 * @throws {PoolError} ERR_POOL_INVALID_OPTION when two have one name, which would be one series
 */
function renderPools(pools) {
  /** @type {Map<string, Figures>} */
  const byName = new Map()
  for (const [name, stats] of pools) {
    if (byName.has(name)) {
      const message = `Two pools are named ${JSON.stringify(name)}; metrics need a name for each.`
      throw new PoolError({ code: 'ERR_POOL_INVALID_OPTION', message, details: { option: 'name' } })
    }
    byName.set(name, stats)
  }
  /** @type {Owner[]} */
  const owners = [...byName].map(([pool, stats]) => [{ pool }, stats])
  /** @type {Owner[]} */
  const endpoints = owners.flatMap(([labels, stats]) =>
    (stats.endpoints ?? []).map((/** @type {Figures} */ endpoint) => [
      { ...labels, endpoint: endpoint.name },
      endpoint,
    ]),
  )
  return exposition([
    ...FIGURES.map((metric) => family('blender_pool_', metric, owners)),
    ...[...ENDPOINT_FIGURES, ...FIGURES].map((metric) =>
      family('blender_pool_endpoint_', metric, endpoints),
    ),
    ...NAMED_ELSEWHERE.map((metric) => family('', metric, owners)),
  ])
}

/**
 * @param {string} name the pool's
 * @param {Figures} stats as `pool.stats()` gives them
 * @returns {string} to be served as `text/plain; version=0.0.4`
 */
function renderMetrics(name, stats) {
  return renderPools([[name, stats]])
}

module.exports = { ENDPOINT_FIGURES, FIGURES, NAMED_ELSEWHERE, renderMetrics, renderPools }
