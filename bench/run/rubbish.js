// @ts-check
'use strict'
// Rubbish collected on demand, without a flag on the command line.

const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')

setFlagsFromString('--expose-gc')

/** @type {() => void} */
const collect = runInNewContext('gc')

module.exports = { collect }
