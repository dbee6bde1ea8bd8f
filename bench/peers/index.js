// @ts-check
'use strict'
// Every pool behind one small face that adds no step to what the pool does: the promise of `acquire` is the pool's
// own, and `release` gives one only where the pool's does. All are opened for whatever a factory makes.

const { open, openConnections } = require('./blender-pool')

/** Ours first. @type {Record<string, Open>} */
const POOLS = {
  'blender-pool': openConnections,
  'blender-pool (ResourcePool)': open,
  'lightning-pool': require('./lightning-pool').open,
  'generic-pool': require('./generic-pool').open,
  'pg-pool': require('./pg-pool').open,
  tarn: require('./tarn').open,
}

/**
 * What is held between `acquire` and `release`: some pools lend the resource itself, some a lease of it.
 * @typedef {any} Held
 *
 * @typedef {object} PoolFace
 * @property {() => Promise<Held>} acquire
 * @property {(held: Held) => Promise<unknown> | undefined} release
 * @property {(held: Held) => any} resource what the factory made
 * @property {() => unknown} close
 *
 * @typedef {object} Settings
 * @property {number} max
 * @property {number} [acquireTimeoutMs] default: none where there is none, else far away
 * @property {() => Promise<object>} [create] default: an empty object
 * @property {(resource: any) => void | Promise<void>} [destroy]
 *
 * @typedef {(settings: Settings) => PoolFace | Promise<PoolFace>} Open
 */

/**
 * Everyone takes part, and runs the same.
 * @param {(open: Open, size: number, context: import('../scenarios').Context) => ReturnType<import('../scenarios').Contestant['make']>} make
 * @param {Record<string, number>} [upTo] the largest size of those for whom larger ones take too long
 * @returns {import('../scenarios').Contestant[]}
 */
function everyPool(make, upTo = {}) {
  return Object.entries(POOLS).map(([name, open]) => ({
    name,
    upTo: upTo[name],
    make: (size, context) => make(open, size, context),
  }))
}

/**
 * Has a pool make all it may, and looks whether it lends each to one holder only.
 * @param {PoolFace} pool
 * @param {number} max
 */
async function fill(pool, max) {
  const held = await Promise.all(Array.from({ length: max }, () => pool.acquire()))
  const lent = new Set(held.map((one) => pool.resource(one))).size
  if (lent !== max) throw new Error(`${max} hold ${lent} resources.`)
  for (const one of held) await pool.release(one)
  return pool
}

module.exports = { POOLS, everyPool, fill }
