// @ts-check
'use strict'
// One turn of the event loop, as far as pools have to know: when it began, by one look at the clock for all that
// happens in it (a look costs as much as taking a connection), and who has something to do when it is over.

const { setImmediate } = require('node:timers')

/** @typedef {{ turnEnded(ms: number): void }} Ender */

/** @type {Ender[]} */
let enders = []

const turn = {
  /** When the first thing happened in it, in milliseconds; 0: nothing has happened yet. */
  at: 0,

  /** The first thing happens. @returns {number} now, in milliseconds */
  begin() {
    turn.at = performance.now()
    setImmediate(end)
    return turn.at
  },

  /** @param {Ender} ender told once, when the turn is over and how long it was */
  tell(ender) {
    if (turn.at === 0) turn.begin()
    enders.push(ender)
  },
}

function end() {
  const ms = performance.now() - turn.at
  const told = enders
  turn.at = 0
  enders = []
  for (const ender of told) ender.turnEnded(ms)
}

module.exports = { turn }
