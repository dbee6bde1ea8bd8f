// @ts-check
'use strict'
// Cancellation tokens of whatever make, and AbortSignals. Many calls on one token share one listener, which
// goes with the last of them; a token that takes no listener back keeps that one, however many calls there are.

const abort = require('../lib/abort')

/** @typedef {import('../lib/abort').Abortable} Abortable */

/** As tokens' own errors are called; servers ask for the name. */
class CancellationError extends Error {
  name = 'CancellationError'
}

/** @param {any} token @returns {token is AbortSignal} */
const isSignal = (token) =>
  typeof token.aborted === 'boolean' && typeof token.addEventListener === 'function'

/** @param {any} token */
function isCancelled(token) {
  if (isSignal(token)) return token.aborted
  const { isCancelled } = token
  return Boolean(typeof isCancelled === 'function' ? token.isCancelled() : isCancelled)
}

/**
 * Throws when the token is cancelled: what the token itself throws, where it can.
 * @param {any} token
 */
function throwIfCancelled(token) {
  if (typeof token.throwIfCancellationRequested === 'function') token.throwIfCancellationRequested()
  if (isCancelled(token)) throw cancelled('Operation was cancelled', token)
}

/**
 * @param {string} message
 * @param {any} token
 */
function cancelled(message, token) {
  return new CancellationError(message, isSignal(token) ? { cause: token.reason } : undefined)
}

/** @type {WeakMap<object, Watch>} */
const watches = new WeakMap()

/** The one listener on a token, and the calls that it is for. */
class Watch {
  /** @type {Set<Abortable>} */
  calls = new Set()
  /** @type {(() => void) | undefined} */
  unsubscribe

  /** @param {any} token */
  constructor(token) {
    const taken = token.onCancellationRequested(() => this.#cancel())
    if (typeof taken === 'function') this.unsubscribe = taken
    else if (typeof taken?.dispose === 'function') this.unsubscribe = () => taken.dispose()
  }

  #cancel() {
    for (const call of this.calls) call.abort()
  }
}

/**
 * Calls `call.abort()` when the token is cancelled. One that can only be asked is not watched.
 * @param {any} token not cancelled yet
 * @param {Abortable} call
 */
function watch(token, call) {
  if (isSignal(token)) return abort.watch(token, call)
  if (typeof token.onCancellationRequested !== 'function') return
  const found = watches.get(token) ?? new Watch(token)
  watches.set(token, found)
  found.calls.add(call)
}

/**
 * @param {any} token
 * @param {Abortable} call
 */
function unwatch(token, call) {
  if (isSignal(token)) return abort.unwatch(token, call)
  const found = watches.get(token)
  if (found === undefined || !found.calls.delete(call) || found.calls.size > 0) return
  if (found.unsubscribe === undefined) return
  watches.delete(token)
  found.unsubscribe()
}

module.exports = { cancelled, throwIfCancelled, unwatch, watch }
