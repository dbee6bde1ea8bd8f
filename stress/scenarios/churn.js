// @ts-check
'use strict'

/** @type {import('.').Scenario} */
module.exports = {
  name: 'churn',
  mode: 'detect',
  title: 'Connection churn',
  shows:
    'Connections that live for a few uses or a few hundred milliseconds, are discarded and recycled: every ' +
    'change of state in quick succession, and no slot may be lost in any of them. Its times are not judged: ' +
    'connections are opened anew all the while, which some add-ons have to be given time for.',
  timed: false,
  pool: ({ connections }) => ({
    maxConnections: connections,
    maxUses: 10,
    maxLifetimeMs: 300,
    maintenanceIntervalMs: 50,
  }),
  async run(work, { connections, operations, random }) {
    await work.share(2 * connections, operations, () => {
      const chance = random.next()
      const end = chance < 0.05 ? 'discard' : chance < 0.1 ? 'recycle' : 'release'
      return work.hold(({ say }) => say(), { end })
    })
    const { closed } = work.pool.stats()
    const reasons = Object.entries(closed).filter(([, count]) => count > 0)
    const told = reasons.map(([reason, count]) => `${count} ${reason}`).join(', ')
    work.find('good', `${work.opened} connections were opened; closed: ${told || 'none'}.`)
  },
}
