// @ts-check
'use strict'
// The `endpoints` option: a string, an object or a list of them, or what the environment says.

const { contradiction, invalidOption, unknownOption } = require('./invalid-option')
const { dialects, options } = require('./tables')

/** @typedef {Record<string, any>} Endpoint */

const DIALECTS = ['auto', ...dialects.map((row) => row.name)]
const EXAMPLE = "'host:port', 'tcp://host:port', 'unix:/path' or { host, port }"
const MAX_PORT = 65_535
const MAX_MIN = options.get('minConnections')?.max ?? 0

/** What an error blames where no option was given. */
const HOST = 'The environment variable BLENDER_HOST'

/** @param {unknown} value */
const isText = (value) => typeof value === 'string' && value.trim() !== ''

/**
 * @param {unknown} value
 * @param {number} max
 * @param {number} [min]
 */
const isCount = (value, max, min = 1) =>
  Number.isInteger(value) && Number(value) >= min && Number(value) <= max

/** @type {Record<string, { fits: (value: unknown) => boolean, expected: string }>} */
const FIELDS = {
  name: { fits: isText, expected: 'a string that is not empty' },
  address: { fits: isText, expected: "'host:port', 'tcp://host:port' or 'unix:/path'" },
  host: { fits: isText, expected: 'a host name or an IP address' },
  port: {
    fits: (value) => isCount(value, MAX_PORT),
    expected: `an integer from 1 to ${MAX_PORT}`,
  },
  path: { fits: isText, expected: 'the path of a Unix socket' },
  dialect: {
    fits: (value) => DIALECTS.includes(/** @type {string} */ (value)),
    expected: `one of ${DIALECTS.map((name) => `'${name}'`).join(', ')}`,
  },
  minConnections: {
    fits: (value) => isCount(value, MAX_MIN, 0),
    expected: `an integer from 0 to ${MAX_MIN}`,
  },
  maxConnections: {
    fits: (value) => isCount(value, Number.MAX_SAFE_INTEGER),
    expected: 'an integer of at least 1',
  },
}

/** The three ways to say where; one of them has to be used, and only one. */
const PLACES = ['address', 'host', 'path']

/**
 * @param {string} text
 * @param {string} label
 */
function readAddress(text, label) {
  const address = text.trim()
  if (!/^:?\d+$/.test(address)) return address
  const message = `${label}: '${address}' is a port without a host. Write 'localhost:${address.replace(':', '')}'.`
  throw contradiction(message, [label])
}

/**
 * @param {any} given
 * @param {string} label how messages call it: "endpoints[0]"
 * @returns {Endpoint}
 */
function readEndpoint(given, label) {
  if (isText(given)) return { address: readAddress(given, label) }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidOption(label, given, EXAMPLE)
  }
  /** @type {Endpoint} */
  const endpoint = {}
  for (const [field, value] of Object.entries(given)) {
    if (!Object.hasOwn(FIELDS, field)) throw unknownOption(field, label, Object.keys(FIELDS))
    if (value === undefined) continue
    const { fits, expected } = FIELDS[field]
    if (!fits(value)) throw invalidOption(`${label}.${field}`, value, expected)
    endpoint[field] = field === 'address' ? readAddress(value, `${label}.address`) : value
  }
  const { minConnections = 0, maxConnections = minConnections } = endpoint
  if (minConnections > maxConnections) {
    const message = `${label}.minConnections (${minConnections}) is above maxConnections (${maxConnections}).`
    throw contradiction(message, [`${label}.minConnections`, `${label}.maxConnections`])
  }
  const places = PLACES.filter((field) => field in endpoint)
  if (places.length > 1) {
    throw contradiction(`${label} has ${places.join(' and ')}; one of them says where.`, [label])
  }
  if (places.length === 0 && !('port' in endpoint)) throw invalidOption(label, given, EXAMPLE)
  if ('port' in endpoint && 'host' in endpoint === false) {
    if (places.length > 0) {
      throw contradiction(`${label} has ${places[0]} and port; port goes with host.`, [label])
    }
    endpoint.host = 'localhost'
  }
  return endpoint
}

/**
 * BLENDER_HOST and BLENDER_PORT, as the Blender MCP servers read them; else localhost:9876.
 * @returns {Endpoint}
 */
function environmentEndpoint() {
  const host = process.env.BLENDER_HOST?.trim()
  const text = process.env.BLENDER_PORT?.trim() || '9876'
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!isCount(port, MAX_PORT)) {
    const name = 'The environment variable BLENDER_PORT'
    throw invalidOption(name, text, FIELDS.port.expected, { min: 1, max: MAX_PORT })
  }
  return host ? { host, port, label: HOST } : { host: 'localhost', port }
}

/**
 * @param {unknown} given undefined: the environment's
 * @returns {Endpoint[]} never empty
 */
function readEndpoints(given) {
  if (given == null) return [environmentEndpoint()]
  if (!Array.isArray(given)) return [readEndpoint(given, 'endpoints')]
  if (given.length === 0) throw invalidOption('endpoints', given, `${EXAMPLE}, or a list of these`)
  return given.map((endpoint, index) => readEndpoint(endpoint, `endpoints[${index}]`))
}

module.exports = { readEndpoints }
