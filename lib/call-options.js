// @ts-check
'use strict'
// The options of one call, checked. Each method takes its own few.

const { contradiction } = require('./invalid-option')
const {
  abortSignal,
  endpointIndex,
  flag,
  integer,
  key,
  milliseconds,
  record,
} = require('./option-value')

const MAX_PRIORITY = 100

/**
 * @typedef {object} CallOptions
 * @property {AbortSignal | undefined} signal
 * @property {number} timeoutMs -1: none
 * @property {number} endpoint index; -1: any
 * @property {number} priority higher first
 * @property {string | null} affinity null: none
 * @property {boolean} rejectOnError
 * @property {boolean} raw
 */

/** @type {Readonly<CallOptions>} */
const NONE = Object.freeze({
  signal: undefined,
  timeoutMs: -1,
  endpoint: -1,
  priority: 0,
  affinity: null,
  rejectOnError: false,
  raw: false,
})

/** What says where to go. */
const PLACES = ['endpoint', 'affinity']

/** What each method takes. */
const METHODS = {
  execute: ['signal', 'timeoutMs', 'endpoint', 'priority', 'affinity', 'rejectOnError', 'raw'],
  'connection.execute': ['signal', 'timeoutMs', 'rejectOnError', 'raw'],
  acquire: ['signal', 'timeoutMs', 'endpoint', 'priority', 'affinity'],
  tryAcquire: ['endpoint', 'affinity'],
}

/**
 * @param {unknown} given
 * @param {keyof typeof METHODS} method
 * @param {readonly string[] | null} endpoints the names, in the order of their indices; null: nobody may choose
 * @returns {Readonly<CallOptions>}
 * @throws {import('./pool-error').PoolError} ERR_POOL_INVALID_OPTION
 */
function readCallOptions(given, method, endpoints) {
  if (given === undefined) return NONE
  const names = METHODS[method]
  const known = endpoints === null ? names.filter((name) => !PLACES.includes(name)) : names
  const { signal, timeoutMs, endpoint, priority, affinity, rejectOnError, raw } = record(
    given,
    method,
    known,
  )
  const options = {
    signal: signal === undefined ? undefined : abortSignal(signal),
    timeoutMs: timeoutMs === undefined ? -1 : milliseconds('timeoutMs', timeoutMs, 1),
    endpoint: endpoint === undefined ? -1 : endpointIndex(endpoint, endpoints ?? []),
    priority:
      priority === undefined ? 0 : integer('priority', priority, -MAX_PRIORITY, MAX_PRIORITY),
    affinity: affinity === undefined ? null : key(affinity, 'affinity'),
    rejectOnError: rejectOnError === undefined ? false : flag('rejectOnError', rejectOnError),
    raw: raw === undefined ? false : flag('raw', raw),
  }
  if (options.raw && options.rejectOnError) {
    const message = 'raw leaves the reply unread, so rejectOnError cannot judge it; choose one.'
    throw contradiction(message, ['raw', 'rejectOnError'])
  }
  if (options.endpoint >= 0 && options.affinity !== null) {
    const message = 'endpoint names where to go, so affinity has nothing to choose; choose one.'
    throw contradiction(message, ['affinity', 'endpoint'])
  }
  return options
}

module.exports = { NONE, readCallOptions }
