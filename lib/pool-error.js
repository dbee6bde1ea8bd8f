// @ts-check
'use strict'
// The one class of error the pool throws. It is made in JavaScript, by the function the caller called,
// so that its stack names the caller's line and `instanceof` holds in every realm (jest has several).

const { errors } = require('./tables')
const { isError } = require('./thrown')

/** @typedef {'no' | 'maybe' | 'yes'} Delivered */

/**
 * What lies below a fault, as native code tells it.
 * @typedef {object} Cause
 * @property {string} message
 * @property {string} [code]
 * @property {number} [errno]
 * @property {string} [syscall]
 * @property {string} [address]
 * @property {number} [port]
 */

/**
 * @typedef {object} Fault
 * @property {string} code
 * @property {string} message
 * @property {string} [advice] default: the code's own
 * @property {boolean} [retryable] default: the code's own
 * @property {Delivered} [delivered] default: 'no'
 * @property {string} [endpoint]
 * @property {number} [connectionId]
 * @property {Cause | unknown} [cause]
 * @property {Record<string, unknown>} [details]
 */

/** @param {unknown} cause a real error as it is; a native one as the error Node itself would give */
function causeError(cause) {
  if (isError(cause)) return cause
  const { message, ...fields } = /** @type {Cause} */ (cause)
  const error = Object.assign(new Error(message), fields)
  // It happened in no JavaScript line: the frames of this file would only mislead.
  error.stack = `Error: ${message}`
  return error
}

class PoolError extends Error {
  /** @type {string | undefined} */
  #stats

  /**
   * @param {Fault} fault
   * @param {string} [stats] JSON of the pool's statistics, parsed when somebody asks
   */
  constructor(fault, stats) {
    super(fault.message, fault.cause ? { cause: causeError(fault.cause) } : undefined)
    const row = errors.get(fault.code)
    /** @readonly */
    this.code = fault.code
    /** @readonly */
    this.advice = fault.advice ?? row?.advice ?? ''
    /** @readonly */
    this.delivered = fault.delivered ?? 'no'
    /** @readonly */
    this.retryable = fault.retryable ?? row?.retryable ?? false
    // Only what applies: printed errors stay short.
    if (fault.endpoint !== undefined) this.endpoint = fault.endpoint
    if (fault.connectionId !== undefined) this.connectionId = fault.connectionId
    if (fault.details !== undefined) this.details = fault.details
    this.#stats = stats
  }

  get stats() {
    return this.#stats === undefined ? undefined : JSON.parse(this.#stats)
  }

  toString() {
    const said = `${this.name} [${this.code}]: ${this.message}`
    if (this.advice === '') return said
    return `${said}${/[.!?]$/.test(said) ? '' : '.'} ${this.advice}`
  }
}

Object.defineProperty(PoolError.prototype, 'name', {
  value: 'PoolError',
  configurable: true,
  writable: true,
})

module.exports = { PoolError }
