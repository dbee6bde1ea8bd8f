// @ts-check
'use strict'
// What the environment says of Blender, read when somebody asks and not when the module is loaded. What is
// no number counts as absent, as it always has; a number that is no port is refused with the pool itself.

/** The longest time that timers take, nearly 25 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/**
 * @param {string} name
 * @param {number} otherwise
 */
function number(name, otherwise) {
  const value = Number.parseInt(process.env[name] ?? '', 10)
  return Number.isSafeInteger(value) ? value : otherwise
}

/** @returns {{ host: string, port: number, timeoutMs: number }} */
function readEnvironment() {
  return {
    host: process.env.BLENDER_HOST?.trim() || 'localhost',
    port: number('BLENDER_PORT', 9876),
    timeoutMs: timeoutOf(number('SOCKET_TIMEOUT', 180_000)),
  }
}

/** @param {unknown} given @returns {number} a time that a timer takes: 0 and what is no number mean "as long as it takes" */
function timeoutOf(given) {
  const ms = Math.ceil(Number(given))
  return ms > 0 && ms < MAX_TIMEOUT_MS ? ms : MAX_TIMEOUT_MS
}

module.exports = { MAX_TIMEOUT_MS, readEnvironment, timeoutOf }
