'use strict'

/** Colours for a terminal, unless NO_COLOR is set (https://no-color.org). */

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 }

/** @param {{ isTTY?: boolean }} stream */
function inkFor(stream) {
  const on = Boolean(stream.isTTY) && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  /** @param {keyof typeof CODES} color @param {string} text */
  return (color, text) => (on ? `\x1b[${CODES[color]}m${text}\x1b[0m` : text)
}

module.exports = { inkFor }
