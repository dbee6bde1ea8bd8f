'use strict'

/**
 * What a test puts up, and what has to be true when it is taken down: the pool closes, no slot was ever
 * in a state that no rule allows, and no socket is left at any server.
 */

const { ConnectionPool } = require('../..')
const { startSimulator } = require('../../simulator')
const { StubBlender } = require('./stub-blender')

/** Call it once, at the top of a test file. */
function arena() {
  let pools = []
  let servers = []

  afterEach(async () => {
    const [theirs, ours] = [pools, servers]
    pools = []
    servers = []
    try {
      for (const pool of theirs) await pool.close({ force: true })
      for (const pool of theirs) {
        expect(pool.stats()).toMatchObject({ total: 0, waiting: 0, raceDetected: 0 })
      }
      for (const server of ours) await allGone(server)
    } finally {
      await Promise.all(ours.map((server) => server.close()))
    }
  })

  return {
    /** A pool, for one server or with `endpoints` of its own. */
    pool(server, options = {}) {
      const pool = new ConnectionPool({
        ...(server && { endpoints: server.address, dialect: server.dialect }),
        ...options,
      })
      pools.push(pool)
      return pool
    },

    async stub(options, port) {
      const stub = new StubBlender(options)
      servers.push(stub)
      return stub.listen(port)
    },

    async simulator(options) {
      const simulator = await startSimulator(options)
      servers.push(simulator)
      return simulator
    },
  }
}

function allGone(server) {
  if (server instanceof StubBlender) return server.until(({ open }) => open === 0)
  return server.waitFor(({ open }) => open === 0)
}

/** How a promise came out, without rejecting: `{ value }` or `{ error }`. */
function outcome(promise) {
  return promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  )
}

/** Opens `count` connections, gives them back in order, and tells their numbers. */
async function openIdle(connections, count, options) {
  const held = []
  for (let n = 0; n < count; n++) held.push(await connections.acquire(options))
  for (const connection of held) await connection.release()
  return held.map(({ id }) => id)
}

/** Some time in which nothing may happen. For what nothing else can show. */
function quietTime(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** One turn of the event loop, in which sockets and the pool's answers are served. */
function turn() {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Longer than anything takes, and shorter than a test may. */
const NEVER_MS = 20_000

/** Turns of the event loop until `holds()`. For what no event tells of. */
async function eventually(holds) {
  const begun = performance.now()
  while (!holds()) {
    if (performance.now() - begun > NEVER_MS) throw new Error(`it never came to ${holds}`)
    await turn()
  }
}

module.exports = { arena, eventually, openIdle, outcome, quietTime, turn }
