'use strict'

// Measured figures, shown where somebody asked for them: BLENDER_POOL_FIGURES names a file to append to.

const { appendFileSync } = require('node:fs')

/** @param {string} what @param {number} value @param {string} [unit] */
function record(what, value, unit = 'ms') {
  const file = process.env.BLENDER_POOL_FIGURES
  if (file) appendFileSync(file, `${what}: ${value.toFixed(1)} ${unit}\n`)
}

module.exports = { record }
