// @ts-check
'use strict'
// Tells when a promise is awaited, and by which code. Whatever is done with a promise asks it for its
// constructor first: `await` and Promise.all() do, and so does then(), whose own promise is then followed in
// its place. What only races, or is left to itself, awaits nothing.

/**
 * @typedef {object} Listener
 * @property {(frames: NodeJS.CallSite[]) => void} awaited given the frames of the code that awaits
 * @property {() => void} adopted an async function has returned it
 */

/** How far up a stack is looked. */
const FRAMES = 100

/**
 * @param {Function} callee
 * @returns {NodeJS.CallSite[]} the frames above it, those of its awaiting callers among them
 */
function framesAbove(callee) {
  const { stackTraceLimit, prepareStackTrace } = Error
  try {
    Error.stackTraceLimit = FRAMES
    Error.prepareStackTrace = (_error, frames) => frames
    /** @type {{ stack?: any }} */
    const site = {}
    Error.captureStackTrace(site, callee)
    return site.stack
  } finally {
    Error.stackTraceLimit = stackTraceLimit
    Error.prepareStackTrace = prepareStackTrace
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {Listener} listener
 * @returns {Promise<T>} the same
 */
function whenAwaited(promise, listener) {
  const get = () => {
    const frames = framesAbove(get)
    const [asking] = frames
    if (asking?.getFileName() || asking?.getFunctionName() === 'all') {
      listener.awaited(frames)
    } else if (asking?.getFunctionName() === 'then') {
      if (frames.length === 1) listener.adopted()
      return { [Symbol.species]: followed(listener) }
    }
    return Promise
  }
  return Object.defineProperty(promise, 'constructor', { configurable: true, get })
}

/**
 * What then() makes its promise with.
 * @param {Listener} listener
 */
function followed(listener) {
  /** @param {(resolve: (value: any) => void, reject: (reason: any) => void) => void} executor */
  return function Followed(executor) {
    return whenAwaited(new Promise(executor), listener)
  }
}

/**
 * Lets the promise of `code` stand for the one that it awaits: who awaits it waits for the other.
 * @template T
 * @template U
 * @param {Promise<T>} inner
 * @param {(inner: Promise<T>) => Promise<U>} code
 */
function standFor(inner, code) {
  const told = Object.getOwnPropertyDescriptor(inner, 'constructor')
  if (told === undefined) return code(inner)
  Reflect.deleteProperty(inner, 'constructor')
  return Object.defineProperty(code(inner), 'constructor', told)
}

module.exports = { framesAbove, standFor, whenAwaited }
