// @ts-check
'use strict'
// One run of a function, for all who wait for it, from asking for its permit to giving that back. The permit is
// held until the function has settled, though nobody may wait for it any more.
//
//   waiting ──> granted ──> running ──> over
//      └───────────┴── last caller gone, turned away ──^

const { Entry } = require('../binding')
const { Caller } = require('./caller')
const { commandTimeout, queueTimeout, waitTimeout } = require('./faults')
const { refused } = require('../refusal')
const { turn } = require('../turn')

/** @typedef {import('../pool-error').Fault} Fault */
/** @typedef {import('./run-options').RunCall} RunCall */
/** @typedef {import('./runs').Runs} Runs */

const WAITING = 0
const GRANTED = 1
const RUNNING = 2
const OVER = 3

/** An arrow function that names no parameters. It has no `arguments` of its own either. */
const BARE = /^(?:async ?)?\(\) ?=>/
const sourceOf = Function.prototype.toString
const NO_SIGNAL = /** @type {any} */ (undefined)

/**
 * Whether a function can see nothing of what it is given: making a signal takes longer than all the rest of a run.
 * @param {Function} fn
 */
function seesNoSignal(fn) {
  return fn.length === 0 && BARE.test(sourceOf.call(fn))
}

class Run {
  /** Of the outbox. */
  ticket = 0
  /** When it began to wait here, by the clock of the turn. */
  since = 0
  /** For how long its result is kept, should it succeed. */
  keepMs = 0
  #stage = WAITING
  /** Native code's number for it while it waits. */
  #request = 0
  #slot = -1
  #generation = 0
  /** Those who came with wishes of their own, or to share it. @type {Set<Caller> | null} */
  #callers = null
  /** Of the only caller of a run that nobody can share. @type {((outcome: any) => void) | null} */
  #resolve = null
  /** @type {((error: any) => void) | null} */
  #reject = null
  /** Of the function's signal, if it takes one. @type {AbortController | undefined} */
  #controller = undefined
  /** @type {Promise<void> | undefined} */
  #turn = undefined
  #go = () => {}

  /**
   * @param {Runs} owner
   * @param {(signal: AbortSignal) => any} fn
   * @param {string | null} key
   */
  constructor(owner, fn, key) {
    this.owner = owner
    this.fn = fn
    this.key = key
  }

  get waits() {
    return this.#stage === WAITING || this.#stage === GRANTED
  }

  /** Its function is at work, and nobody waits for it any more. */
  get isAbandoned() {
    return this.#stage === RUNNING && this.#count === 0
  }

  /** How many wait for it. */
  get #count() {
    return (this.#resolve === null ? 0 : 1) + (this.#callers?.size ?? 0)
  }

  /** The only one who waits for it. @returns {Promise<any>} */
  only() {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /**
   * One more who waits for it.
   * @param {Readonly<RunCall>} call
   */
  join(call) {
    const caller = new Caller(this, call)
    this.#callers ??= new Set()
    this.#callers.add(caller)
    if (call.cacheTtlMs > this.keepMs) this.keepMs = call.cacheTtlMs
    return caller.outcome()
  }

  /**
   * Its permit is there.
   * @param {number} slot
   * @param {number} generation
   */
  grant(slot, generation) {
    this.#stage = GRANTED
    this.#slot = slot
    this.#generation = generation
    this.since = turn.at || turn.begin()
    this.#go()
  }

  /**
   * Its permit will come, or what comes instead: by its ticket, or passed on by another run.
   * @param {number} [request] native code's number for it, where it waits there
   */
  wait(request = 0) {
    this.#request = request
    this.since = turn.at || turn.begin()
    this.#turn ??= new Promise((resolve) => {
      this.#go = resolve
    })
  }

  /** Never rejects. Begins at the earliest when whoever asked for it has gone on, and in that one's context. */
  async carryOut() {
    await this.#turn
    if (this.#stage !== GRANTED) return
    this.#stage = RUNNING
    this.owner.counts.started++
    let failed = false
    let outcome
    try {
      outcome = await this.#start()
    } catch (error) {
      failed = true
      outcome = error
    }
    this.#stage = OVER
    this.owner.ended(this, failed, outcome)
    this.owner.release(this.#slot, this.#generation, this.since)
    if (failed) this.#reject?.(outcome)
    else this.#resolve?.(outcome)
    if (this.#callers === null) return
    for (const caller of this.#callers) {
      if (failed) caller.reject(outcome)
      else caller.resolve(outcome)
    }
  }

  /** The function's synchronous part. It has started when that is over, however it ended. */
  #start() {
    try {
      if (seesNoSignal(this.fn)) return this.fn(NO_SIGNAL)
      this.#controller = new AbortController()
      return this.fn(this.#controller.signal)
    } finally {
      this.owner.confirm()
    }
  }

  /**
   * Its entry has come from native code.
   * @param {number} kind
   * @param {any} payload
   */
  settle(kind, payload) {
    if (kind === Entry.LEASE) {
      const [slot, generation] = payload
      if (this.#stage === WAITING) {
        this.grant(slot, generation)
      } else {
        this.owner.turnBack()
        this.owner.release(slot, generation, turn.at || turn.begin())
      }
    } else if (this.#stage === WAITING) {
      // Whoever clears or closes turns it away before native code does: its time is over.
      this.owner.counts.timeouts += this.#count
      this.turnAway(queueTimeout(JSON.parse(payload), this.owner.figures()))
    }
    this.owner.heard()
    this.#go()
  }

  /**
   * It will not begin; all who wait for it are told.
   * @param {Fault} fault
   * @returns {number} how many there were
   */
  turnAway(fault) {
    const count = this.#count
    this.#endEarly()
    this.#refuse(fault)
    return count
  }

  /**
   * Its function goes on, but nobody waits for that any longer.
   * @param {Fault} fault
   */
  cut(fault) {
    this.#refuse(fault)
    this.#controller?.abort(this.owner.error(fault))
  }

  /**
   * A caller has gone, and has been told why.
   * @param {Caller} caller
   * @param {any} reason
   */
  leave(caller, reason) {
    this.#callers?.delete(caller)
    if (this.#count > 0) return
    this.owner.forgetKey(this)
    if (this.#stage === RUNNING) {
      this.#controller?.abort(reason)
      return
    }
    if (this.#stage === WAITING) this.owner.cancel(this, this.#request)
    this.#endEarly()
  }

  /** @param {number} timeoutMs a caller's own, which has passed @returns {Fault} */
  outOfTime(timeoutMs) {
    if (this.waits) return waitTimeout(timeoutMs, this.owner.figures())
    return commandTimeout(timeoutMs)
  }

  /** @param {Fault} fault an error of its own for each who waits */
  #refuse(fault) {
    const callers = this.#callers
    this.#callers = null
    if (callers !== null) for (const caller of callers) caller.refuse(this.owner.error(fault))
    this.#resolve?.(
      refused(() => {
        throw this.owner.error(fault)
      }),
    )
    this.#resolve = null
    this.#reject = null
  }

  #endEarly() {
    if (this.#stage === GRANTED) {
      this.owner.turnBack()
      this.owner.release(this.#slot, this.#generation, this.since)
    }
    this.#stage = OVER
    this.owner.neverBegan(this)
  }
}

module.exports = { Run }
