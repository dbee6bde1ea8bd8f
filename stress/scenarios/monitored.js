// @ts-check
'use strict'
// A mixed load over some time, watched all the while: most operations are short, some slow, one very slow.

const SLOW_MS = 120
const VERY_SLOW_MS = 520

/** @type {import('.').Scenario} */
module.exports = {
  name: 'monitored',
  mode: 'advanced',
  title: 'Monitored run',
  shows:
    'A mixed load for some seconds: callers that think between their commands, slow operations now and ' +
    'then and one very slow one. Latencies, waits, error bursts, exhaustion and conflicts of state are watched.',
  pool: ({ connections }) => ({ maxConnections: connections, minConnections: 1 }),
  simulator: { beatMs: 2, jitterMs: 2 },
  async run(work, { callers, connections, durationMs, random }) {
    const most = Math.min(callers, 3 * connections)
    const until = performance.now() + durationMs
    const slowAfter = performance.now() + durationMs / 2
    let verySlow = 1
    work.expect(Math.ceil((durationMs / 25) * most))
    const slowly = (/** @type {number} */ ms) =>
      work.hold(({ say }) => (work.mayBlock ? say(ms) : say().then(() => work.pause(ms))))
    const caller = async () => {
      while (performance.now() < until && !work.over) {
        if (verySlow > 0 && performance.now() > slowAfter) {
          verySlow--
          await slowly(VERY_SLOW_MS)
        } else if (random.is(0.01)) await slowly(SLOW_MS)
        else await work.hold(({ say }) => say(), { by: random.is(0.5) ? 'use' : 'acquire' })
        await work.pause(random.between(5, 35))
      }
    }
    await Promise.all(Array.from({ length: most }, caller))
  },
}
