// @ts-check
'use strict'
// All runs of one limiter: asks native code for their permits, knows them by key, keeps their results, and counts what
// only JavaScript knows. It holds no timer, and nothing in the outbox while nobody waits.

const { Arrivals } = require('../arrivals')
const { NativePool } = require('../binding')
const { KeptResults } = require('./kept-results')
const { cleared, closed, refusal } = require('./faults')
const { Outbox } = require('../outbox')
const { PoolError } = require('../pool-error')
const { Run } = require('./run')
const { NONE } = require('./run-options')
const { makeShelf } = require('../shelf')

/** @typedef {import('../pool-error').Fault} Fault */
/** @typedef {import('./run-options').RunCall} RunCall */

class Runs {
  counts = {
    started: 0,
    succeeded: 0,
    failed: 0,
    aborted: 0,
    timeouts: 0,
    joined: 0,
    cacheHits: 0,
    cleared: 0,
  }
  #outbox = Outbox.shared
  #values
  #kept
  /** Those that wait or are at work. @type {Set<Run>} */
  #all = new Set()
  /** Those that may be joined. @type {Map<string, Run>} */
  #byKey = new Map()
  /** Runs whose entry is still to come. */
  #unheard = 0
  #isRated
  #native
  #shelf
  /** Those that wait here. @type {Arrivals<Run>} */
  #arrivals
  #isClosing = false
  /** The ticket of the close that is under way; 0: none. */
  #closing = 0

  /**
   * @param {Record<string, any>} values the limiter's options
   * @throws {PoolError} ERR_POOL_INVALID_OPTION
   */
  constructor(values) {
    const number = this.#outbox.nextPool()
    /** @type {string} */
    this.name = values.name ?? `limiter-${number}`
    this.#values = values
    this.#kept = new KeptResults(values.maxCached)
    this.#isRated = values.requestsPerSecond > 0 || values.requestsPerMinute > 0
    const text = JSON.stringify({ ...values, name: this.name })
    this.#native = new NativePool(this.#outbox.native, number, 'Limiter', text)
    this.#shelf = /** @type {import('../shelf').Shelf} */ (makeShelf(this.#native, values))
    const { queueTimeoutMs } = values
    const max = values.maxWaiting ?? Infinity
    this.#arrivals = new Arrivals(this.#shelf, max, queueTimeoutMs, this.#serve.bind(this))
  }

  /** Native code's end. It is told of all who came before whatever it is called for. */
  get native() {
    this.#arrivals.flush()
    return this.#native
  }

  /**
   * @param {(signal: AbortSignal) => any} fn
   * @param {Readonly<RunCall>} call
   * @returns {Promise<any>}
   * @throws {PoolError}
   */
  run(fn, call) {
    if (this.#isClosing) throw this.error(closed.late)
    if (call === NONE) return this.#begin(fn, call).only()
    const { key } = call
    if (key === null) return this.#begin(fn, call).join(call)
    const kept = call.cacheTtlMs > 0 ? this.#kept.get(key) : undefined
    if (kept !== undefined) {
      this.counts.cacheHits++
      return Promise.resolve(kept.value)
    }
    const shared = this.#byKey.get(key)
    if (shared !== undefined) {
      this.counts.joined++
      return shared.join(call)
    }
    const run = this.#begin(fn, call)
    this.#byKey.set(key, run)
    return run.join(call)
  }

  /**
   * @param {(signal: AbortSignal) => any} fn
   * @param {Readonly<RunCall>} call
   */
  #begin(fn, call) {
    const run = new Run(this, fn, call.key)
    const shelf = this.#shelf
    if (this.#arrivals.length === 0 && shelf.take()) {
      run.grant(shelf.slot, shelf.generation)
    } else if (call === NONE && this.#arrivals.mayWait) {
      run.wait()
      this.#arrivals.add(run)
    } else {
      this.#arrivals.flush()
      this.#ask(run, call.priority, 0, call !== NONE)
    }
    this.#all.add(run)
    run.carryOut()
    return run
  }

  /**
   * Has native code give a permit, now or later.
   * @param {Run} run
   * @param {number} priority
   * @param {number} waitedMs how long it has waited already
   * @param {boolean} stays it may be cancelled, so it waits there alone
   * @throws {PoolError}
   */
  #ask(run, priority, waitedMs, stays) {
    run.ticket = this.#outbox.nextTicket()
    const answer = this.#native.permit(run.ticket, priority, waitedMs, stays)
    if (typeof answer === 'string') throw this.error(refusal(JSON.parse(answer), this.figures()))
    if (answer < 0) {
      const permit = -1 - answer
      run.grant(Math.floor(permit / 2 ** 32), permit % 2 ** 32)
    } else {
      run.wait(answer)
      this.#unheard++
      this.#outbox.expect(run.ticket, run)
    }
  }

  /**
   * Gives the first of those who wait here what there is, or has native code do it.
   * @param {Run} run
   * @param {number} waitedMs
   */
  #serve(run, waitedMs) {
    const shelf = this.#shelf
    if (shelf.takeFor(waitedMs)) {
      run.grant(shelf.slot, shelf.generation)
      return
    }
    try {
      this.#ask(run, 0, waitedMs, false)
    } catch (error) {
      run.turnAway(/** @type {PoolError} */ (error))
    }
  }

  /** All permits are in use here, so those who wait in native code can wait here as well. */
  #fetchThoseWhoWait() {
    const waiting = this.#native.sendOutside()
    const now = performance.now()
    for (let at = 0; at < waiting.length; at += 2) {
      const run = /** @type {any} */ (this.#outbox.recall(waiting[at]))
      run.since = now - waiting[at + 1]
      this.heard()
      this.#arrivals.add(run)
    }
  }

  /** There may be a permit for those who wait here, on the shelf or in native code. */
  comeForThem() {
    this.#arrivals.come()
  }

  /** An entry has come that was expected. */
  heard() {
    this.#unheard--
    this.#outbox.letGo()
  }

  /**
   * A run that waits is not wanted any more.
   * @param {Run} run
   * @param {number} request
   */
  cancel(run, request) {
    // Else it was granted or refused, and the entry that says so is on its way.
    if (this.native.cancel(request) === null) return
    this.#outbox.forget(run.ticket)
    this.heard()
  }

  /** A run has started. */
  confirm() {
    this.#shelf.started()
  }

  /** A run has its permit, and will never start. */
  turnBack() {
    if (this.#isRated) this.#native.turnBack()
  }

  /**
   * @param {number} slot
   * @param {number} generation
   * @param {number} since when it was granted, by the clock of the turn
   */
  release(slot, generation, since) {
    const shelf = this.#shelf
    if (shelf.isOffered) this.#fetchThoseWhoWait()
    const { length } = this.#arrivals
    if (length === 0) {
      if (shelf.putBack(slot, generation, since)) return
    } else if (shelf.passOn(slot, generation, since, this.#arrivals.since, length)) {
      this.#arrivals.next().grant(slot, generation)
      return
    }
    // What a close has cut is nobody's any more, and that is as well.
    this.#outbox.release(this.#native, slot, generation)
    this.comeForThem()
  }

  /** @param {Run} run */
  neverBegan(run) {
    this.#all.delete(run)
    this.forgetKey(run)
  }

  /**
   * A function has settled.
   * @param {Run} run
   * @param {boolean} failed
   * @param {any} value
   */
  ended(run, failed, value) {
    this.#all.delete(run)
    if (failed) this.counts.failed++
    else this.counts.succeeded++
    const { key, keepMs } = run
    if (key === null || this.#byKey.get(key) !== run) return
    this.#byKey.delete(key)
    if (!failed && keepMs > 0) this.#kept.keep(key, value, keepMs)
  }

  /** @param {Run} run nobody may join it any more */
  forgetKey(run) {
    const { key } = run
    if (key !== null && this.#byKey.get(key) === run) this.#byKey.delete(key)
  }

  /** @param {string} reason */
  clear(reason) {
    this.#kept.clear()
    // Who comes now wants nothing of what was begun before, and neither does who comes later.
    this.#byKey.clear()
    this.native.turnAway(reason)
    this.counts.cleared += this.#turnAway(cleared(reason))
  }

  /**
   * @param {number} timeoutMs how long what runs may go on; -1: as long as is usual
   * @param {boolean} force not at all
   */
  async close(timeoutMs, force) {
    this.#isClosing = true
    this.#kept.clear()
    const number = this.#outbox.nextTicket()
    this.#closing = number
    /** @type {Promise<string>} */
    const done = new Promise((resolve) => {
      this.#outbox.expect(number, { settle: (_kind, payload) => resolve(payload) })
    })
    this.native.close(number, timeoutMs, force)
    const failedWaiters = this.#turnAway(closed.waiting)
    const { durationMs } = JSON.parse(await done)
    this.#closing = 0
    this.#arrivals.end()
    this.#outbox.letGo()
    const late = [...this.#all]
    for (const run of late) run.cut(closed.running)
    return { failedWaiters, cut: late.length, durationMs }
  }

  /** Cuts short the close that is under way. */
  hurry() {
    if (this.#closing !== 0) this.native.close(this.#closing, 0, true)
  }

  /**
   * @param {Fault} fault
   * @returns {number} how many callers were told
   */
  #turnAway(fault) {
    let told = 0
    for (const run of this.#all) if (run.waits) told += run.turnAway(fault)
    return told
  }

  /** @param {Fault} fault */
  error(fault) {
    return new PoolError(fault)
  }

  /** How busy it is, for those who are told that it is. @returns {import('./faults').Figures} */
  figures() {
    const { maxConcurrent, maxWaiting, queueTimeoutMs } = this.#values
    const { requestsPerSecond: perSecond, requestsPerMinute: perMinute } = this.#values
    // Those that have a permit, whether or not their turn to begin has come.
    const waiting = Math.min(this.#unheard + this.#arrivals.length, this.#all.size)
    const running = this.#all.size - waiting
    return { maxConcurrent, running, waiting, perSecond, perMinute, queueTimeoutMs, maxWaiting }
  }

  /** How many functions are at work. */
  get #running() {
    const { started, succeeded, failed } = this.counts
    return started - succeeded - failed
  }

  stats() {
    const { maxConcurrent, requestsPerSecond, requestsPerMinute } = this.#values
    this.#shelf.settle()
    const { waitMs, useMs } = JSON.parse(this.#native.stats())
    const { lastSecond, lastMinute } = JSON.parse(this.#native.starts())
    const perSecond = requestsPerSecond || null
    const perMinute = requestsPerMinute || null
    let abandoned = 0
    for (const run of this.#all) if (run.isAbandoned) abandoned++
    return {
      name: this.name,
      state: this.#native.state(),
      maxConcurrent,
      running: this.#running,
      abandoned,
      waiting: this.#all.size - this.#running,
      cached: this.#kept.size,
      ...this.counts,
      waitMs,
      runMs: useMs,
      rate: {
        perSecond,
        perMinute,
        lastSecond,
        lastMinute,
        remainingPerSecond: perSecond && Math.max(0, perSecond - lastSecond),
        remainingPerMinute: perMinute && Math.max(0, perMinute - lastMinute),
      },
    }
  }
}

module.exports = { Runs }
