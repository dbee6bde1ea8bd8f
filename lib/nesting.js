// @ts-check
'use strict'
// The deadlock that a pool's users make among themselves: every slot is held, and each holder waits for
// one more connection of the same pool. It is noticed, and the call that closed the circle is refused.
//
// A call counts as a holder's only where that is certain, so that nobody is suspected wrongly. Its promise
// has to be awaited, or returned by an async function; and the code that does so
// - either is the very continuation of an await for what the holder was given, its connection or a reply
//   (`handed`): a microtask before that continuation opens the window, and one right after it shuts it;
// - or runs within the work of a `use`: its context says whose (AsyncLocalStorage), and its stack leads,
//   through all the awaits, back to that work, which therefore waits for it. A timer that the work has set
//   has the context, but not the stack.
// To enter a context in `acquire` would tell more and be wrong: it leaks to whoever called the holder's
// function, and a loop that starts one handler after the other would look nested in its own handlers.

const { AsyncLocalStorage } = require('node:async_hooks')
const { setImmediate } = require('node:timers')
const { framesAbove, whenAwaited } = require('./awaiting')

/** @typedef {import('./bridge').Bridge} Bridge */
/** @typedef {import('./lease').Lease} Lease */
/** @typedef {import('./ticket').Ticket} Ticket */

/** Where the works of `use` are run from, as stacks name it. */
const USE = require.resolve('./run-use')

/** @type {AsyncLocalStorage<Lease>} */
const works = new AsyncLocalStorage()

/** Whose continuation runs now. @type {Lease | null} */
let handed = null
const done = Promise.resolve()
const shut = () => {
  handed = null
}

/**
 * Call it right before `promise` is fulfilled: whoever awaits it goes on, up to the next await, as the
 * lease's holder.
 * @param {Lease} lease
 * @param {Promise<unknown> | null} promise
 */
function handOver(lease, promise) {
  if (promise === null) return
  done.then(() => {
    handed = lease
  })
  promise.then(shut)
}

/**
 * The same for what is there at once: the promise is fulfilled when its caller has come to its await.
 * @template T
 * @param {Lease} lease
 * @param {T} value
 * @returns {Promise<T>}
 */
function handedOver(lease, value) {
  /** @param {(value: T) => void} resolve */
  const give = (resolve) => {
    done.then(() => {
      handed = lease
    })
    resolve(value)
    done.then(shut)
  }
  return new Promise((resolve) => done.then(() => give(resolve)))
}

/**
 * Runs the work of a `use`.
 * @template T
 * @template U
 * @param {Lease} lease
 * @param {(connection: T) => U} work
 * @param {T} connection
 */
function within(lease, work, connection) {
  lease.isWork = true
  return works.run(lease, work, connection)
}

/** The lease, of whatever pool, to whose holder the code that runs now seems to belong. @returns {Lease | null} */
function apparentHolder() {
  let lease = handed ?? works.getStore() ?? null
  while (lease !== null && !lease.held) lease = lease.outer
  return lease
}

/**
 * The holders, innermost first, that certainly wait for the code that runs now.
 * @param {NodeJS.CallSite[]} frames of that code
 */
function certainHolders(frames) {
  let works = frames.filter(isWork).length
  const holders = []
  for (let lease = apparentHolder(); lease !== null; lease = lease.outer) {
    if (lease.isWork && works-- <= 0 && lease !== handed) break
    if (lease.held) holders.push(lease)
  }
  return holders
}

/** @param {NodeJS.CallSite} frame */
function isWork(frame) {
  return frame.getFunctionName() === 'runUse' && frame.getFileName() === USE
}

/** The holders of one pool, and which of them wait for each other. */
class Nesting {
  #bridge
  #held = 0
  /** The holders that wait. @type {Set<Lease>} */
  #waiting = new Set()

  /** @param {Bridge} bridge */
  constructor(bridge) {
    this.#bridge = bridge
  }

  granted() {
    this.#held++
  }

  /** @param {Lease} lease */
  gaveBack(lease) {
    this.#held--
    this.#waiting.delete(lease)
    // Contexts live on in timers and sockets; a chain of leases behind them would grow for ever.
    lease.outer = null
  }

  /**
   * A call of a holder; what it awaits it waits for.
   * @template T
   * @param {Promise<T>} promise
   * @param {(holders: readonly Lease[]) => void} onHolders given those that wait for it, innermost first
   */
  watch(promise, onHolders) {
    if (apparentHolder() === null) return promise
    const callers = certainHolders(framesAbove(this.watch))
    return whenAwaited(promise, {
      awaited: (frames) => onHolders(certainHolders(frames)),
      adopted: () => onHolders(callers),
    })
  }

  /**
   * @param {Ticket} ticket
   * @param {readonly Lease[]} holders of whatever pool, who wait for it
   */
  wait(ticket, holders) {
    if (ticket.kind >= 0 || ticket.aborted || ticket.outer !== null) return
    ticket.outer = holders[0] ?? null
    ticket.holders = holders.filter(({ held, bridge }) => held && bridge === this.#bridge)
    for (const lease of ticket.holders) {
      lease.waits++
      this.#waiting.add(lease)
    }
    // The next turn: the holder may be about to do something else beside it.
    if (ticket.holders.length > 0) setImmediate(() => this.#judge(ticket))
  }

  /** @param {Ticket} ticket it is settled */
  waited(ticket) {
    for (const lease of ticket.holders) {
      if (--lease.waits === 0) this.#waiting.delete(lease)
    }
    ticket.holders = []
  }

  /**
   * The fault of a call that can never be served; null where that is not certain.
   * @param {readonly Lease[]} holders who wait with it
   * @param {string} [timedOut] what it is told otherwise
   * @returns {import('./pool-error').Fault | null}
   */
  deadlock(holders, timedOut = 'The call would wait for ever.') {
    if (holders.length === 0 || this.#waiting.size !== this.#held) return null
    const { inUse, max } = this.#bridge.snapshot('stats')
    if (this.#held < max || inUse !== this.#held) return null
    const message =
      `${timedOut} All ${max} connections are held, and each holder waits for one more of the ` +
      'same pool.'
    return { code: 'ERR_POOL_DEADLOCK', message, delivered: 'no' }
  }

  /** @param {Ticket} ticket */
  #judge(ticket) {
    for (const lease of this.#waiting) {
      // Its holder may wait for this command, and not for the other call.
      if (lease.running > 0) return
    }
    const fault = this.deadlock(ticket.holders)
    if (fault === null || !ticket.refuse(fault)) return
    const held = this.#held
    const { message } = fault
    const figures = { metric: 'nestedAcquire', value: held, threshold: held }
    this.#bridge.herald.tell('alert', { severity: 'critical', ...figures, message })
  }
}

module.exports = { Nesting, handOver, handedOver, within }
