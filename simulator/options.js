'use strict'

/** What startSimulator takes, checked: a misspelt switch would silently test nothing. */

const { DIALECTS } = require('./dialects')

const DEFAULTS = {
  host: '127.0.0.1',
  port: 0,
  path: '',
  beatMs: 5,
  jitterMs: 0,
  seed: 1,
  background: false,
}

const CROSSTALK = ['none', 'connections', 'commands', 'everything']

/** @typedef {Record<string, string | number | boolean>} Values */

/** @param {import('./index').SimulatorOptions} [options] */
function settledOptions({ dialect = 'worker', ...options } = {}) {
  if (!Object.hasOwn(DIALECTS, dialect)) {
    throw new TypeError(`dialect must be one of ${Object.keys(DIALECTS).join(', ')}`)
  }
  const row = DIALECTS[dialect]
  const known = /** @type {Values} */ ({
    ...DEFAULTS,
    ...row.switches,
    ...(options.background ? row.background : {}),
  })
  const settled = { ...known }
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) settled[name] = checked(name, value, known)
  }
  const { host, port, path, beatMs, jitterMs, seed, background, ...switches } =
    /** @type {typeof DEFAULTS & import('./index').Switches} */ (/** @type {unknown} */ (settled))
  return { dialect, host, port, path: path || undefined, beatMs, jitterMs, seed, switches }
}

/** @param {string} name @param {unknown} value @param {Values} known */
function checked(name, value, known) {
  if (!Object.hasOwn(known, name)) {
    throw new TypeError(`Unknown option '${name}'; known: ${Object.keys(known).join(', ')}`)
  }
  if (name === 'crosstalk' && !CROSSTALK.includes(/** @type {string} */ (value))) {
    throw new TypeError(`crosstalk must be one of ${CROSSTALK.join(', ')}`)
  }
  if (typeof value !== typeof known[name] || (typeof value === 'number' && !(value >= 0))) {
    throw new TypeError(`${name} must be a ${typeof known[name]}, not ${value}`)
  }
  return /** @type {string | number | boolean} */ (value)
}

module.exports = { settledOptions }
