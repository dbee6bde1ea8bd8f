// @ts-check
'use strict'
// Many commands at once and nothing open, before a listener that can hardly be connected to.

const { ConnectionPool } = require('../..')
const { startNarrowListener } = require('../../simulator')
const { POOLS } = require('../peers')
const { ParsePerChunkClient } = require('../peers/parse-per-chunk-client')

const COMMANDS = 20
const LIMIT_MS = { short: 3_000, full: 20_000 }

/** @typedef {import('../../simulator').NarrowListener} Listener */
/** @typedef {{ execute(command: object): Promise<any>, close(): unknown }} Cold */

/** @param {Listener} listener @returns {Promise<Cold>} */
async function ours({ address }) {
  const pool = new ConnectionPool({ endpoints: address, dialect: 'blender-mcp' })
  return {
    execute: (/** @type {any} */ command) => pool.execute(command),
    close: () => pool.close(),
  }
}

/** @param {string} name @param {number} max @returns {(listener: Listener) => Promise<Cold>} */
function peer(name, max) {
  return async (listener) => {
    /** @type {Set<ParsePerChunkClient>} */
    const clients = new Set()
    let isOver = false
    const pool = await POOLS[name]({
      max,
      async create() {
        const client = new ParsePerChunkClient(listener)
        clients.add(client)
        // When time is up it dials no more, whatever it is asked for.
        await client
          .connected()
          .catch((error) => (isOver ? new Promise(() => {}) : Promise.reject(error)))
        return client
      },
      destroy: (client) => client.destroy(),
    })
    return {
      async execute(command) {
        const client = await pool.acquire()
        const reply = await pool.resource(client).execute(command)
        pool.release(client)
        return reply
      },
      close() {
        isOver = true
        for (const client of clients) client.destroy()
      },
    }
  }
}

/** One connection after the other, each for one command. @param {Listener} listener @returns {Promise<Cold>} */
async function oneByOne(listener) {
  /** @type {Promise<any>} */
  let last = Promise.resolve()
  const alone = async (/** @type {any} */ command) => {
    const client = new ParsePerChunkClient(listener)
    await client.connected()
    const reply = await client.execute(command)
    client.destroy()
    return reply
  }
  return {
    execute(command) {
      last = last.then(() => alone(command))
      return last
    },
    close() {},
  }
}

/**
 * @param {Cold} pool
 * @param {number} limitMs
 */
async function burst(pool, limitMs) {
  let answered = 0
  const begun = performance.now()
  const commands = Array.from({ length: COMMANDS }, async (_, number) => {
    const code = `# sim: ${JSON.stringify({ command: 'print', params: { text: `${number}` } })}`
    const { result } = await pool.execute({ type: 'execute_code', params: { code } })
    if (result.result !== `${number}\n`)
      throw new Error(`${number} has the answer ${result.result}.`)
    answered++
  })
  const { promise, stop } = within(limitMs)
  try {
    await Promise.race([Promise.all(commands), promise])
  } finally {
    stop()
  }
  const took = performance.now() - begun
  for (const command of commands) command.catch(() => {}) // those that are cut off by the end
  return { value: took, answered }
}

/** @param {number} ms */
function within(ms) {
  let stop = () => {}
  const promise = new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    stop = () => clearTimeout(timer)
  })
  return { promise, stop }
}

/**
 * @param {string} name
 * @param {(listener: Listener) => Promise<Cold>} open
 * @param {'reference'} [side]
 * @returns {import('.').Contestant}
 */
function contestant(name, open, side) {
  return {
    name,
    side,
    make: (_size, { full }) => ({
      async round(round) {
        const limitMs = full ? LIMIT_MS.full : LIMIT_MS.short
        const listener = await startNarrowListener()
        const pool = await open(listener)
        try {
          // Nobody sees the first one, and nothing gets warm in it.
          return await burst(pool, round === 0 ? 200 : limitMs)
        } finally {
          await pool.close()
          await listener.stop()
        }
      },
    }),
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 15,
  title: '20 commands at once, nothing open, a listener with backlog 1',
  unit: 'ms',
  reach: [{ atMost: 150 }, { measure: 'answered', atLeast: COMMANDS }],
  sides:
    'A new pool, a new listener, and 20 commands at the same time. The listener is the bundled narrow one: a backlog of 1, ' +
    'one accept and one command each 5 ms, as the popular add-on has it. Answers are checked. blender-pool: a ' +
    'ConnectionPool of the blender-mcp dialect with nothing else set, so 5 connections at most. Peers: pools of 5 or ' +
    '20 clients of node:net, which dial whenever an acquire finds none. generic-pool gives a waiting caller whatever ' +
    'comes free, so two connections do all the work, whatever becomes of the others; with lightning-pool and pg-pool a ' +
    'caller waits for what was dialled for it. What has not been answered after 3 s (long form: 20 s) is given up, and ' +
    'then that is the figure. One by one is no pool: each command on a ' +
    'connection of its own when the one before has its answer.',
  label: 'commands',
  sizes: [COMMANDS],
  rounds: { short: 1, full: 2 },
  measures: { answered: { title: 'answered', unit: 'count', better: 'more' } },
  isolated: true,
  contestants: [
    contestant('blender-pool', ours),
    contestant('generic-pool, 5', peer('generic-pool', 5)),
    contestant('lightning-pool, 5', peer('lightning-pool', 5)),
    contestant('pg-pool, 20', peer('pg-pool', 20)),
    contestant('one by one', oneByOne, 'reference'),
  ],
}

module.exports = { scenario }
