// @ts-check
'use strict'
// The channels of node:diagnostics_channel on which tracers follow a pool: blender-pool:acquire,
// blender-pool:execute and blender-pool:connect, each with start, end, asyncStart, asyncEnd and error.
// Without a subscriber nothing is built.

const { tracingChannel } = require('node:diagnostics_channel')

/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('node:diagnostics_channel').TracingChannel<any>} TracingChannel */

class Channel {
  #traced

  /** @param {string} what */
  constructor(what) {
    this.#traced = tracingChannel(`blender-pool:${what}`)
  }

  /** TracingChannel itself has no hasSubscribers before Node 22. */
  get hasSubscribers() {
    const { start, end, asyncStart, asyncEnd, error } = this.#traced
    return (
      start.hasSubscribers ||
      end.hasSubscribers ||
      asyncStart.hasSubscribers ||
      asyncEnd.hasSubscribers ||
      error.hasSubscribers
    )
  }

  /**
   * @template T
   * @param {() => Promise<T>} call
   * @param {Record<string, unknown>} context
   */
  trace(call, context) {
    return this.#traced.tracePromise(call, context)
  }

  /** @param {object} context */
  begin(context) {
    this.#traced.start.publish(context)
    this.#traced.end.publish(context)
  }

  /**
   * @param {object} context
   * @param {boolean} failed
   */
  finish(context, failed) {
    if (failed) this.#traced.error.publish(context)
    this.#traced.asyncStart.publish(context)
    this.#traced.asyncEnd.publish(context)
  }
}

const acquiring = new Channel('acquire')
const executing = new Channel('execute')

/** The connections that are being made, as native code's events tell of them. */
class Connecting {
  #channel = new Channel('connect')
  /** By pool and connection. @type {WeakMap<Bridge, Map<number, Record<string, any>>>} */
  #open = new WeakMap()

  get hasSubscribers() {
    return this.#channel.hasSubscribers
  }

  /**
   * @param {Bridge} bridge
   * @param {string} event
   * @param {Record<string, any>} payload
   */
  tell(bridge, event, payload) {
    if (event === 'connectionCreated') {
      if (this.hasSubscribers) this.#begin(bridge, payload)
    } else if (event === 'connectionReady' || event === 'connectionClosed') {
      this.#finish(bridge, payload)
    }
  }

  /**
   * @param {Bridge} bridge
   * @param {Record<string, any>} payload
   */
  #begin(bridge, { connectionId, endpoint }) {
    const context = { pool: bridge.name, connectionId, endpoint }
    const open = this.#open.get(bridge) ?? new Map()
    this.#open.set(bridge, open.set(connectionId, context))
    this.#channel.begin(context)
  }

  /**
   * @param {Bridge} bridge
   * @param {Record<string, any>} payload of the event that ended it
   */
  #finish(bridge, { connectionId, dialect, durationMs, reason, error }) {
    const open = this.#open.get(bridge)
    const context = open?.get(connectionId)
    if (context === undefined) return
    open?.delete(connectionId)
    const failed = reason !== undefined
    Object.assign(context, failed ? { reason, error } : { dialect, durationMs })
    this.#channel.finish(context, failed)
  }
}

const connecting = new Connecting()

module.exports = { acquiring, connecting, executing }
