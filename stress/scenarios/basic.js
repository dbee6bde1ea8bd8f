// @ts-check
'use strict'
// The examples to begin with: one caller, several, too many, and a look at every state a connection has.

/** @typedef {import('.').Scenario} Scenario */

/** @type {Scenario} */
const sequential = {
  name: 'sequential',
  mode: 'basic',
  title: 'One after another',
  shows: 'One caller, one command after another: what the pool adds when nobody is in the way.',
  by: 'execute',
  pool: ({ connections }) => ({ maxConnections: connections }),
  run: (work, { operations }) => work.share(1, operations, () => work.execute()),
}

/** @type {Scenario} */
const concurrent = {
  name: 'concurrent',
  mode: 'basic',
  title: 'All connections at work',
  shows:
    'As many callers as connections, each with its next command as soon as the last is answered.',
  by: 'execute',
  pool: ({ connections }) => ({ maxConnections: connections }),
  run: (work, { connections, operations }) =>
    work.share(connections, operations, () => work.execute()),
}

/** @type {Scenario} */
const exhaustion = {
  name: 'exhaustion',
  mode: 'basic',
  title: 'Pool exhaustion',
  shows:
    'Many callers over two connections, each holding one for a command. They have to wait, in the order ' +
    'they came; none may be forgotten.',
  pool: () => ({ maxConnections: 2 }),
  run: (work, { callers, operations }) =>
    work.share(callers, operations, () => work.hold(({ say }) => say(), { inOrder: true })),
}

/** @type {Scenario} */
const states = {
  name: 'states',
  mode: 'basic',
  title: 'State visibility',
  shows:
    'Takes every connection, gives them back one by one, recycles one and discards one; at each step ' +
    'connections() and stats() must show just that.',
  pool: ({ connections }) => ({ maxConnections: connections, minConnections: connections }),
  async run(work, { connections, operations }) {
    const { pool, referee } = work
    const rounds = Math.max(1, Math.min(10, Math.floor(operations / connections)))
    const seen = new Set()
    /** @param {string} when @param {Record<string, number>} wanted */
    const expect = (when, wanted) => {
      /** @type {Record<string, number>} */
      const shown = {}
      for (const { state } of pool.connections()) {
        seen.add(state)
        shown[state] = (shown[state] ?? 0) + 1
      }
      for (const [state, count] of Object.entries(wanted)) {
        referee.expect('statesAgree', (shown[state] ?? 0) === count, () => {
          return `${when}: ${count} ${state} expected, ${JSON.stringify(shown)} shown`
        })
      }
    }
    work.expect(rounds * connections)
    await pool.warm()
    const places = Math.min(
      connections,
      pool.endpoints().reduce((sum, { max }) => sum + max, 0),
    )
    for (let round = 0; round < rounds && !work.over; round++) {
      let held = 0
      let open = () => {}
      const opened = new Promise((resolve) => {
        open = () => resolve(undefined)
      })
      const all = Array.from({ length: places }, (_, index) =>
        work.hold(
          async () => {
            held++
            if (held === places) {
              expect('with everything held', { inUse: places, idle: 0 })
              open()
            }
            await opened
          },
          { end: index === 0 ? 'recycle' : index === 1 ? 'discard' : 'release' },
        ),
      )
      // One that could not be had is not waited for.
      await Promise.all(all.map((one) => one.then(open)))
      expect('with everything given back', { inUse: 0 })
      await work.hold(async ({ connection }) => {
        const own = pool.connections().find(({ id }) => id === connection.id)
        referee.expect('statesAgree', own?.state === 'inUse', () => {
          return `connection ${connection.id} is held, and shown as ${own?.state}`
        })
      })
      if (!work.over) await pool.warm()
    }
    work.find('good', `States seen from outside: ${[...seen].join(', ')}.`)
  },
}

module.exports = [sequential, concurrent, exhaustion, states]
