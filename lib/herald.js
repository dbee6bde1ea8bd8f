// @ts-check
'use strict'
// What a pool tells: native code's events made ready for listeners, and those that the facade knows first,
// in one order. poolCreated comes before all others.

const { setImmediate } = require('node:timers')
const { deliver } = require('./events')
const { connecting } = require('./tracing')
const { eventBits } = require('./tables')

/** @typedef {import('./bridge').Bridge} Bridge */

/** The events that tell how a connection is made. */
const CONNECTING = ['connectionCreated', 'connectionReady', 'connectionClosed'].reduce(
  (mask, name) => mask | (eventBits.get(name) ?? 0),
  0,
)

class Herald {
  #bridge
  #emitter
  /** The options that are not the default, until they are told. @type {object | null} */
  #created
  #isReady
  /** What the listeners want to hear, a bit for each event. */
  #listened = 0
  #mask = 0

  /**
   * @param {Bridge} bridge
   * @param {import('node:events').EventEmitter} emitter
   * @param {{ values: Record<string, any>, changed: object }} options
   */
  constructor(bridge, emitter, { values, changed }) {
    this.#bridge = bridge
    this.#emitter = emitter
    this.#created = changed
    this.#isReady = values.start === 'ready'
    setImmediate(() => this.#announce())
  }

  /** @param {number} mask what the listeners want to hear */
  listen(mask) {
    this.#listened = mask
    this.observe()
  }

  /** Asks native code for what somebody wants to hear: listeners, or who traces how connections are made. */
  observe() {
    const mask = connecting.hasSubscribers ? this.#listened | CONNECTING : this.#listened
    if (mask === this.#mask) return
    this.#mask = mask
    this.#bridge.native.observe(mask)
  }

  /** @param {string} json `{ event, ...payload }` of native code */
  event(json) {
    this.#announce()
    const { event, slot, generation, ...payload } = JSON.parse(json)
    if (payload.error) payload.error = this.#bridge.error(payload.error)
    if (slot !== undefined) {
      const stack = this.#bridge.origins?.stackOf(slot, generation)
      if (stack !== undefined) payload.stack = stack
    }
    deliver(this.#emitter, event, payload)
    connecting.tell(this.#bridge, event, payload)
  }

  /**
   * Tells of something that the facade knows first, after what native code has told up to now.
   * @param {string} event
   * @param {object} payload
   */
  tell(event, payload) {
    if (this.#emitter.listenerCount(event) === 0) return
    this.#bridge.outbox.postpone(() => {
      this.#announce()
      deliver(this.#emitter, event, payload)
    })
  }

  /** The pool's first events, on the turn after its constructor or before whatever comes sooner. */
  #announce() {
    if (this.#created === null) return
    const options = this.#created
    this.#created = null
    deliver(this.#emitter, 'poolCreated', { options })
    if (this.#isReady) deliver(this.#emitter, 'poolReady', {})
    this.observe()
    this.#bridge.native.begin()
  }
}

module.exports = { Herald }
