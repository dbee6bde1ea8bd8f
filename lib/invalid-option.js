// @ts-check
'use strict'
// The refusal of an option: which one, what it was, what it may be.

const { inspect } = require('node:util')
const { didYouMean, nearest } = require('./nearest')
const { PoolError } = require('./pool-error')

const CODE = 'ERR_POOL_INVALID_OPTION'

/** @param {unknown} value on one short line */
function show(value) {
  try {
    const text = inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 60 })
    return text.length > 80 ? `${text.slice(0, 77)}...` : text
  } catch {
    return 'a value that cannot be shown'
  }
}

/**
 * @param {string} option its name
 * @param {unknown} value what was given
 * @param {string} expected what it may be: "an integer from 1 to 5"
 * @param {Record<string, unknown>} [range] the same for programs: min, max, values
 */
function invalidOption(option, value, expected, range) {
  const message = `${option} is ${show(value)}; it must be ${expected}.`
  return new PoolError({ code: CODE, message, details: { option, value, ...range } })
}

/** What people write who know another pool, and what it is called here. @type {Record<string, string>} */
const ELSEWHERE = {
  host: "Write endpoints: { host: '127.0.0.1', port: 9876 }.",
  port: "Write endpoints: { host: '127.0.0.1', port: 9876 }.",
  path: "Write endpoints: { path: '/tmp/blender.sock' }.",
  url: "Write endpoints: 'tcp://127.0.0.1:9876'.",
  min: 'Write minConnections.',
  max: 'Write maxConnections.',
  size: 'Write maxConnections.',
  poolSize: 'Write maxConnections.',
  timeout: 'Write timeoutMs with a call; the pool has acquireTimeoutMs and commandTimeoutMs.',
  params: "Parameters belong to the command: execute({ type: 'execute_code', params: { code } }).",
  code: "Parameters belong to the command: execute({ type: 'execute_code', params: { code } }).",
}

/** The same of a call. @type {Record<string, string>} */
const OF_CALLS = { ...ELSEWHERE, timeout: 'Write timeoutMs.' }

/** The same where a pool holds what user code makes. @type {Record<string, string>} */
const OF_RESOURCES = {
  ...ELSEWHERE,
  ...Object.fromEntries(
    ['endpoints', 'endpoint', 'host', 'port', 'path', 'url', 'dialect', 'allowRemote'].map(
      (name) => [name, 'It has no endpoints: whatever it pools, create makes.'],
    ),
  ),
  factory: 'Write create.',
  testOnBorrow: 'Write validate, and validateAfterIdleMs: 0 has it called before every holder.',
  timeout: 'Write timeoutMs with a call; the pool has acquireTimeoutMs and connectTimeoutMs.',
}

/** What people write who know another limiter. @type {Record<string, string>} */
const OF_LIMITERS = {
  concurrency: 'Write maxConcurrent.',
  limit: 'Write maxConcurrent.',
  max: 'Write maxConcurrent.',
  maxConnections: 'Write maxConcurrent.',
  interval: 'Write requestsPerSecond or requestsPerMinute.',
  intervalCap: 'Write requestsPerSecond or requestsPerMinute.',
  timeout: 'Write queueTimeoutMs, and timeoutMs with a run.',
}

/** The same of a run. @type {Record<string, string>} */
const OF_RUNS = { ttl: 'Write cacheTtlMs.' }

/** @param {string[]} names the options there are @returns {Record<string, string>} */
function elsewhereFor(names) {
  if (names.includes('maxConcurrent')) return OF_LIMITERS
  if (names.includes('cacheTtlMs')) return OF_RUNS
  if (names.includes('timeoutMs')) return OF_CALLS
  return names.includes('create') ? OF_RESOURCES : ELSEWHERE
}

/**
 * @param {string} option the unknown name
 * @param {string} owner what it was given to: "the pool", "execute()"
 * @param {Iterable<string>} known
 */
function unknownOption(option, owner, known) {
  const names = [...known]
  const elsewhere = elsewhereFor(names)
  const hint = Object.hasOwn(elsewhere, option)
    ? ` ${elsewhere[option]}`
    : didYouMean(option, names)
  const message = `${owner} has no option ${show(option)}.${hint}`
  const advice = names.length === 0 ? undefined : `The options here are: ${names.join(', ')}.`
  const details = { option, nearest: nearest(option, names) }
  return new PoolError({ code: CODE, message, advice, details })
}

/**
 * Two options that cannot stand together.
 * @param {string} message
 * @param {string[]} options
 */
function contradiction(message, options) {
  return new PoolError({ code: CODE, message, details: { option: options[0], options } })
}

module.exports = { invalidOption, unknownOption, contradiction, show }
