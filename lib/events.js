// @ts-check
'use strict'
// Events that break nothing. Every listener is run on its own: one that throws, or whose promise
// rejects, surfaces once as a process warning, and the others still hear the event. 'error' is never emitted.

const { EventEmitter } = require('node:events')
const { eventBits } = require('./tables')
const { warn } = require('./warning')

/**
 * An emitter that says which events have a listener, whenever that changes, so that nothing is built
 * that nobody hears.
 */
class ObservedEmitter extends EventEmitter {
  #mask = 0
  #onMask

  /** @param {(mask: number) => void} onMask given one bit for each event of native code that is listened to */
  constructor(onMask) {
    super()
    this.#onMask = onMask
  }

  // The methods that every other way of listening ends in. 'newListener' would do for some of them, but
  // removeAllListeners() takes it away too.

  /**
   * @param {string | symbol} name
   * @param {(...args: any[]) => void} listener
   */
  on(name, listener) {
    return this.#watch(super.on(name, listener))
  }

  /**
   * @param {string | symbol} name
   * @param {(...args: any[]) => void} listener
   */
  addListener(name, listener) {
    return this.#watch(super.addListener(name, listener))
  }

  /**
   * @param {string | symbol} name
   * @param {(...args: any[]) => void} listener
   */
  prependListener(name, listener) {
    return this.#watch(super.prependListener(name, listener))
  }

  /**
   * @param {string | symbol} name
   * @param {(...args: any[]) => void} listener
   */
  removeListener(name, listener) {
    return this.#watch(super.removeListener(name, listener))
  }

  /**
   * @param {string | symbol} name
   * @param {(...args: any[]) => void} listener
   */
  off(name, listener) {
    return this.#watch(super.off(name, listener))
  }

  /** @param {string | symbol} [name] */
  removeAllListeners(name) {
    // With an argument, even undefined, Node takes it for a name.
    return this.#watch(
      name === undefined ? super.removeAllListeners() : super.removeAllListeners(name),
    )
  }

  /** @param {this} self */
  #watch(self) {
    let mask = 0
    for (const name of this.eventNames()) {
      mask |= eventBits.get(/** @type {string} */ (name)) ?? 0
    }
    if (mask !== this.#mask) {
      this.#mask = mask
      this.#onMask(mask)
    }
    return self
  }
}

/** The listeners that were warned about. */
const warned = new WeakSet()

/**
 * @param {Function} listener
 * @param {string} name
 * @param {unknown} thrown
 */
function warnOnce(listener, name, thrown) {
  const own = /** @type {any} */ (listener).listener ?? listener
  if (warned.has(own)) return
  warned.add(own)
  const message = `A listener of '${name}' threw; the pool goes on without it.`
  warn('PoolListenerWarning', message, thrown)
}

/**
 * Gives an event to every listener.
 * @param {EventEmitter} emitter
 * @param {string} name
 * @param {object} payload
 */
function deliver(emitter, name, payload) {
  for (const listener of emitter.rawListeners(name)) {
    try {
      const returned = Reflect.apply(listener, emitter, [payload])
      if (typeof returned?.then === 'function') {
        returned.then(undefined, (/** @type {unknown} */ error) => warnOnce(listener, name, error))
      }
    } catch (error) {
      warnOnce(listener, name, error)
    }
  }
}

module.exports = { ObservedEmitter, deliver }
