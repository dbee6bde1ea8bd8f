// @ts-check
'use strict'
// A command, checked and written as JSON. Nothing is sent that would arrive as something else: what
// JSON.stringify drops or turns into null or {} in silence is an error here. Its size native code checks.

const { types } = require('node:util')
const { show } = require('./invalid-option')
const { didYouMean } = require('./nearest')
const { PoolError } = require('./pool-error')

const KEYS = ['type', 'params']
const ADVICE =
  "A command is { type: 'get_scene_info', params: { ... } }, or its type alone as a string; " +
  'params is plain JSON. Nothing was sent.'

/**
 * @param {string} message
 * @param {unknown} [cause]
 */
function invalidCommand(message, cause) {
  return new PoolError({ code: 'ERR_POOL_INVALID_COMMAND', message, advice: ADVICE, cause })
}

/** @param {object} value of any realm */
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value)
  return (
    prototype === Object.prototype ||
    prototype === null ||
    Object.getPrototypeOf(prototype) === null
  )
}

/** @param {any} value */
function kindOf(value) {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value !== 'object')
    return types.isSymbolObject(value) ? 'a symbol' : `a ${typeof value}`
  return `a ${value.constructor?.name || 'special object'}`
}

/**
 * Why `value` would not arrive as it is, with the path to it; null when it would. The path is put
 * together on the way out, so a command that is in order pays for none.
 * @param {any} value free of cycles
 * @returns {{ path: string, why: string } | null}
 */
function flaw(value) {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return null
    case 'number':
      return Number.isFinite(value)
        ? null
        : { path: '', why: `is ${value}, which JSON turns into null` }
    case 'object':
      return value === null ? null : flawWithin(value)
    default:
      return { path: '', why: `is ${kindOf(value)}, which JSON leaves out` }
  }
}

/**
 * @param {any} value an object or an array
 * @returns {{ path: string, why: string } | null}
 */
function flawWithin(value) {
  if (typeof value.toJSON === 'function') return null
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = flaw(value[index])
      if (found !== null) return { path: `[${index}]${found.path}`, why: found.why }
    }
    return null
  }
  if (!isPlain(value)) {
    return {
      path: '',
      why: `is ${kindOf(value)}, not plain JSON: give its content as an object or a list`,
    }
  }
  for (const key of Object.keys(value)) {
    // An absent member and an undefined one are the same to JSON and to everybody else.
    const found = value[key] === undefined ? null : flaw(value[key])
    if (found !== null) return { path: `.${key}${found.path}`, why: found.why }
  }
  return null
}

/**
 * @param {string} type
 * @param {unknown} params
 */
function stringify(type, params) {
  let text
  let found
  try {
    text = JSON.stringify(params)
    // Only now: stringify has refused cycles and BigInts, each with a good message.
    if (text?.[0] === '{') found = flaw(params)
  } catch (cause) {
    const reason = types.isNativeError(cause) ? cause.message : String(cause)
    throw invalidCommand(`The params of ${show(type)} cannot be written as JSON: ${reason}`, cause)
  }
  if (text?.[0] !== '{') {
    throw invalidCommand(`The params of ${show(type)} are ${kindOf(params)}, not a JSON object.`)
  }
  if (found) throw invalidCommand(`In the command ${show(type)}, params${found.path} ${found.why}.`)
  return text
}

/**
 * @param {unknown} command a type, or `{ type, params? }`
 * @returns {{ type: string, params: string }} params as JSON, `{}` when there are none
 * @throws {PoolError} ERR_POOL_INVALID_COMMAND
 */
function serialise(command) {
  if (typeof command === 'string') {
    if (command === '') throw invalidCommand('The command is an empty string.')
    return { type: command, params: '{}' }
  }
  if (typeof command !== 'object' || command === null || Array.isArray(command)) {
    throw invalidCommand(`The command is ${show(command)}, neither a string nor an object.`)
  }
  for (const key of Object.keys(command)) {
    if (!KEYS.includes(key)) {
      const hint = didYouMean(key, KEYS)
      throw invalidCommand(`A command has type and params, and no ${show(key)}.${hint}`)
    }
  }
  const { type, params } = /** @type {{ type?: unknown, params?: unknown }} */ (command)
  if (typeof type !== 'string' || type === '') {
    throw invalidCommand(
      `The command's type is ${show(type)}; it must be a string that is not empty.`,
    )
  }
  return { type, params: params == null ? '{}' : stringify(type, params) }
}

module.exports = { serialise }
