// @ts-check
'use strict'

const LONG_MS = 200

/** @type {import('.').Scenario} */
module.exports = {
  name: 'long',
  mode: 'detect',
  title: 'Long operations',
  shows:
    'Some callers keep their connection for a long time while others are in a hurry. Those behind have to ' +
    'wait, and are served as soon as a connection comes back.',
  pool: ({ connections }) => ({ maxConnections: connections }),
  async run(work, { callers, connections, operations }) {
    const longs = Math.min(2 * connections, operations)
    const every = Math.max(1, Math.floor(operations / longs))
    await work.share(callers, operations, (index) =>
      index % every === 0
        ? work.hold(({ say }) => say().then(() => work.pause(LONG_MS)))
        : work.hold(({ say }) => say()),
    )
  },
}
