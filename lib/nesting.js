// @ts-check
'use strict'
// The deadlock that a pool's users make among themselves: every slot is held, and each holder waits for
// one more connection of the same pool. It is noticed, and the call that closed the circle is refused.
//
// Whose code makes a call is known in two ways, and only in these, so that nobody is suspected wrongly:
// - it runs as the very continuation of an `await` for what a holder was given, its connection or its reply
//   (`handed`): three microtasks in a row open the window, run that continuation, and shut the window;
// - it runs within the work of a `use`: its context says whose (AsyncLocalStorage), and its stack, through
//   all its awaits, leads back to there, so that the work waits for it. A timer that was set in the work
//   has the context, and not the stack.
// Entering a context in `acquire` would tell more and be wrong: it leaks to whoever called the holder's
// function, and a loop that starts one handler after the other would look nested in its handlers.

const { AsyncLocalStorage } = require('node:async_hooks')
const { setImmediate } = require('node:timers')

/** @typedef {import('./lease').Lease} Lease */
/** @typedef {import('./ticket').Ticket} Ticket */

/** @type {AsyncLocalStorage<Lease>} */
const scopes = new AsyncLocalStorage()

/** Whose continuation runs now. @type {Lease | null} */
let handed = null
const done = Promise.resolve()

/** How far up a stack is looked for the work that waits. */
const FRAMES = 100

const shut = () => {
  handed = null
}

/**
 * Resolves a promise; whoever awaits it goes on as the lease's holder, up to the next await.
 * @template T
 * @param {Lease} lease
 * @param {(value: T) => void} resolve
 * @param {T} value
 */
function hand(lease, resolve, value) {
  done.then(() => {
    handed = lease
  })
  resolve(value)
  done.then(shut)
}

/**
 * The same for a promise that some async function settles: call it with the promise when it is made,
 * and call what it gives just before it settles.
 * @param {Lease} lease
 * @param {Promise<unknown>} promise
 */
function handing(lease, promise) {
  const open = () => {
    handed = lease
  }
  promise.then(open, open)
  return () => {
    promise.then(shut, shut)
  }
}

/**
 * Runs the work of a `use`. Its name is looked for in stacks.
 * @template T
 * @param {Lease} lease
 * @param {() => T} work
 */
async function withinUse(lease, work) {
  lease.scoped = true
  return await scopes.run(lease, work)
}

/** How many works of `use` wait for the code that runs now. */
function worksOnStack() {
  const { stackTraceLimit, prepareStackTrace } = Error
  try {
    Error.stackTraceLimit = FRAMES
    Error.prepareStackTrace = (_error, sites) =>
      sites.filter((site) => site.getFunctionName() === withinUse.name && site.getFileName() === __filename)
    const site = /** @type {{ stack?: any }} */ ({})
    Error.captureStackTrace(site, worksOnStack)
    return site.stack.length
  } finally {
    Object.assign(Error, { stackTraceLimit, prepareStackTrace })
  }
}

/** The lease in whose holder's code this runs, as far as that is certain. @returns {Lease | null} */
function current() {
  let lease = handed ?? scopes.getStore() ?? null
  while (lease !== null && !lease.held) lease = lease.outer
  if (lease === null || lease === handed) return lease
  // The innermost works are those that do not reach up to here.
  let depth = 0
  for (let at = scopes.getStore() ?? null; at !== null; at = at.outer) depth++
  return worksOnStack() > 0 && depth > 0 ? lease : null
}

module.exports = { current, hand, handing, withinUse }
