// @ts-check
'use strict'
// A process warning about something thrown where nobody could catch it.

const { inspect } = require('node:util')

/** @param {unknown} thrown anything at all, even what throws when it is looked at */
function show(thrown) {
  try {
    return inspect(thrown)
  } catch {
    return 'What was thrown cannot be shown.'
  }
}

/**
 * @param {string} type the warning's name
 * @param {string} message
 * @param {unknown} thrown
 */
function warn(type, message, thrown) {
  process.emitWarning(message, { type, detail: show(thrown) })
}

module.exports = { show, warn }
