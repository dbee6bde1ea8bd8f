// @ts-check
'use strict'

const BURSTS = 5
const PAUSE_MS = 80

/** @type {import('.').Scenario} */
module.exports = {
  name: 'bursty',
  mode: 'detect',
  title: 'Bursty traffic',
  shows:
    'Bursts of calls with quiet between them. What was opened for one burst must serve the next: a pool ' +
    'that opens anew each time, or grows with every burst, is seen here.',
  by: 'execute',
  pool: ({ connections }) => ({ maxConnections: connections }),
  async run(work, { callers, connections, operations }) {
    const each = Math.ceil(operations / BURSTS)
    for (let burst = 0; burst < BURSTS && !work.over; burst++) {
      await work.share(callers, each, () => work.execute())
      if (burst < BURSTS - 1) await work.pause(PAUSE_MS)
    }
    if (work.perRequest || work.over) return
    const opened = work.opened - work.spent
    const spent = work.spent > 0 ? `, beside ${work.spent} in place of spent ones` : ''
    const { closed } = work.pool.stats()
    const text = `${opened} connections served ${BURSTS} bursts; ${connections} are allowed${spent}.`
    const advice =
      closed.error > 0
        ? 'Connections broke off, and were opened anew: see the events and what Blender says.'
        : 'Raise idleTimeoutMs, or set minConnections to 20–30 % of the maximum.'
    work.find(opened <= connections ? 'good' : 'warning', text, advice)
  },
}
