// @ts-check
'use strict'
// Fifty want a connection at the same moment, each for 2 ms, while five are open and opening one takes 150 ms. The
// five are enough, if nobody is put down to wait for one that is still being opened.

const { setTimeout: pause } = require('node:timers/promises')
const { ConnectionPool } = require('../..')
const { startSimulator } = require('../../simulator')
const { POOLS } = require('../peers')

const WARM = 5
const CONNECT_MS = 150
const HOLD_MS = 2

/** @typedef {{ spike: () => Promise<unknown>, opened: () => Promise<number> }} Prepared */

/** @param {number} callers @param {() => Promise<unknown>} use */
function all(callers, use) {
  return Promise.all(Array.from({ length: callers }, use))
}

/** Connections to a Blender that accepts and then hears nothing for a while. @param {number} callers @returns {Promise<Prepared>} */
async function connections(callers) {
  const blender = await startSimulator({ dialect: 'worker', beatMs: 0 })
  blender.setFaults({ acceptDelayMs: CONNECT_MS })
  const pool = new ConnectionPool({
    endpoints: blender.address,
    dialect: 'worker',
    minConnections: WARM,
    maxConnections: callers,
    maxConnecting: callers,
  })
  await pool.warm()
  return {
    spike: () => all(callers, () => pool.use(() => pause(HOLD_MS))),
    async opened() {
      await pool.close({ force: true })
      const { connects } = blender.stats()
      await blender.close()
      return connects
    },
  }
}

/** Resources that take as long to make. @param {import('../peers').Open} open @param {number} callers @returns {Promise<Prepared>} */
async function resources(open, callers) {
  let made = 0
  const create = async () => {
    made++
    await pause(CONNECT_MS)
    return {}
  }
  const pool = await open({ max: callers, create })
  const warm = await all(WARM, () => pool.acquire())
  for (const held of warm) await pool.release(held)
  return {
    spike: () =>
      all(callers, async () => {
        const held = await pool.acquire()
        await pause(HOLD_MS)
        await pool.release(held)
      }),
    async opened() {
      // What is being made is waited for: some pools cannot be closed before.
      await pause(CONNECT_MS * 1.5)
      await pool.close()
      return made
    },
  }
}

/** @param {string} name @param {(callers: number) => Promise<Prepared>} prepare @returns {import('.').Contestant} */
function contestant(name, prepare) {
  return {
    name,
    make: (callers) => ({
      async round() {
        const { spike, opened } = await prepare(callers)
        const begun = performance.now()
        await spike()
        const value = performance.now() - begun
        return { value, connections: await opened() }
      },
    }),
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 6,
  title: 'a spike of 50 over 5 open connections',
  unit: 'ms',
  reach: [{ atMost: 24 }, { measure: 'connections', atMost: 6 }],
  sides:
    '50 callers at once, each keeps what it gets for 2 ms; 5 are open, 50 allowed, opening one takes 150 ms. The figure ' +
    'is the time until the last has given back; beside it how many were opened in all, those 5 included. blender-pool ' +
    'is a ConnectionPool whose Blender says nothing for 150 ms after it has accepted; beside it a ResourcePool, which ' +
    'like the peers waits for 150 ms in its `create`. None is told to open few at a time.',
  label: 'callers',
  sizes: [50],
  rounds: { short: 1, full: 11 },
  measures: { connections: { title: 'opened', unit: 'count' } },
  isolated: true,
  contestants: Object.entries(POOLS).map(([name, open]) =>
    contestant(name, name === 'blender-pool' ? connections : (callers) => resources(open, callers)),
  ),
}

module.exports = { scenario }
