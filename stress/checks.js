// @ts-check
'use strict'
// What is checked of a pool, how often it was looked at, and what was found. Nothing is thrown: a run goes on after a
// failure, for the next one may tell more.

/**
 * @typedef {object} Check
 * @property {string} name
 * @property {string} title
 * @property {number} checked how often it was looked at; 0: it could not be
 * @property {number} failures
 * @property {string[]} examples of what was found, the first few
 * @property {string} [unmade] why it could not be made
 */

const TITLES = {
  oneHolder: 'No two holders ever have one connection',
  withinMax: 'Never more connections than allowed, by the pool’s own word',
  serverSockets: 'Never more sockets than allowed, counted at the server',
  ownReply: 'Every reply belongs to its own command',
  settledOnce: 'Every call settles exactly once',
  inOrder: 'First come, first served',
  statesAgree: 'connections() and stats() agree, and every state is a known one',
  noSlotLost: 'No slot is lost: at rest all of them can be acquired again',
  totals: 'The pool’s totals are what was counted outside',
  ranOnce: 'Every answered command ran once at the server, any other at most once',
  noUnhandled: 'No unhandled rejection, no uncaught exception',
}

/** @typedef {keyof typeof TITLES} CheckName */

const EXAMPLES = 3

class Checks {
  /** @type {Map<string, Check>} */
  #checks = new Map(
    Object.entries(TITLES).map(([name, title]) => [
      name,
      { name, title, checked: 0, failures: 0, examples: [] },
    ]),
  )

  /**
   * @param {CheckName} name
   * @param {boolean} holds
   * @param {() => string} found what was seen instead
   */
  expect(name, holds, found) {
    const check = /** @type {Check} */ (this.#checks.get(name))
    check.checked++
    if (holds) return
    check.failures++
    if (check.examples.length === EXAMPLES) return
    const example = found()
    if (!check.examples.includes(example)) check.examples.push(example)
  }

  /** It could not be made. @param {CheckName} name @param {string} why */
  leave(name, why) {
    const check = /** @type {Check} */ (this.#checks.get(name))
    check.unmade = why
  }

  /** @returns {Check[]} */
  all() {
    return [...this.#checks.values()]
  }
}

module.exports = { Checks }
