// @ts-check
'use strict'
// An ideal line beside the pool: as many places as the pool has, first come first served, and no time lost
// between one and the next. It says for each operation when its turn was; what comes before that is waiting that
// nobody can be spared, what comes after is the pool's and Blender's. Nothing waits in it.

/** @typedef {import('./recorder').Operation} Operation */

class Line {
  #places
  #taken = 0
  /** In order. @type {Set<Operation>} */
  #waiting = new Set()

  /** @param {number} places */
  constructor(places) {
    this.#places = places
  }

  /** @param {Operation} operation @param {number} now */
  join(operation, now) {
    if (this.#taken < this.#places) {
      this.#taken++
      operation.turn = now
    } else this.#waiting.add(operation)
  }

  /** It is done, or gave up. @param {Operation} operation @param {number} now */
  leave(operation, now) {
    // It can be done before its turn was seen here: the pool serves the next before it tells of the last.
    if (this.#waiting.delete(operation)) return
    if (operation.left) return
    operation.left = true
    const [next] = this.#waiting
    if (next === undefined) {
      this.#taken--
      return
    }
    this.#waiting.delete(next)
    next.turn = now
  }
}

module.exports = { Line }
