// @ts-check
'use strict'

/** @type {import('.').Scenario} */
module.exports = {
  name: 'herd',
  mode: 'detect',
  title: 'Thundering herd',
  shows:
    'An empty pool, and everybody at once. No more connections may be opened than allowed, and nobody may ' +
    'be lost in the rush.',
  by: 'execute',
  pool: ({ connections }) => ({ maxConnections: connections }),
  async run(work, { callers, connections, operations }) {
    const all = Math.max(callers, operations)
    await work.share(all, all, () => work.execute())
    if (work.perRequest || work.over) return
    const opened = work.opened - work.spent
    const spent = work.spent > 0 ? `, beside ${work.spent} in place of spent ones` : ''
    const text = `${opened} connections were opened for ${all} calls; ${connections} are allowed${spent}.`
    const advice =
      'Connections broke off, and were opened anew: see the events and what Blender says.'
    work.find(opened <= connections ? 'good' : 'warning', text, advice)
  },
}
