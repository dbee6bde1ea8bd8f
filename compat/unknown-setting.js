// @ts-check
'use strict'
// A setting that nobody knows: the old files took it in silence, so it is no error; but each name is told of
// once to whoever reads warnings, with the one that may be meant.

const { didYouMean } = require('../lib/nearest')

/** What was told of already. @type {Set<string>} */
const told = new Set()

/**
 * @param {object} given
 * @param {string[]} known
 */
function tellUnknown(given, known) {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue
    const message = `ConnectionPool has no setting ${name}; it is ignored.${didYouMean(name, known)}`
    if (told.has(message)) continue
    told.add(message)
    process.emitWarning(message, { type: 'BlenderPoolWarning' })
  }
}

module.exports = { tellUnknown }
