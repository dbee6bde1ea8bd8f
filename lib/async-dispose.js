// @ts-check
'use strict'
// The symbol that `await using` looks for. Node 20.0 to 20.4 have it under its registered name only.

/** @type {typeof Symbol.asyncDispose} */
const asyncDispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')

module.exports = { asyncDispose }
