// @ts-check
'use strict'
// The course of a `use`: acquired, worked with, always given back. nesting.js looks in stacks for this very
// function, for while its frame waits, a connection is held.

const { asyncDispose } = require('./async-dispose')
const { leaseOf } = require('./pooled-connection')

/** @typedef {import('./pooled-connection').PooledConnection} PooledConnection */

/**
 * @template T
 * @param {import('./bridge').Bridge} bridge
 * @param {Promise<PooledConnection>} acquired
 * @param {(connection: PooledConnection) => T} work
 */
async function runUse(bridge, acquired, work) {
  const connection = await acquired
  try {
    return await bridge.within(leaseOf(connection), work, connection)
  } finally {
    await connection[asyncDispose]()
  }
}

module.exports = { runUse }
