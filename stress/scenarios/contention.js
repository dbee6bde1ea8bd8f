// @ts-check
'use strict'

/** A command is long compared with what is tried here. */
const TIMES = 4

/** @type {import('.').Scenario} */
module.exports = {
  name: 'contention',
  mode: 'detect',
  title: 'Extreme contention',
  shows:
    'Everybody acquires and releases the same two connections without a command in between, so that only ' +
    'the pool is at work. Some give up while they wait; those behind them must move up.',
  pool: () => ({ maxConnections: 2 }),
  async run(work, { callers, operations, random }) {
    // The line is worth watching once it is there.
    await Promise.all([work.hold(), work.hold()])
    await work.share(callers, TIMES * operations, async (index) => {
      if (random.is(0.02)) await work.hold(() => {}, { giveUpAfterMs: 0 })
      else if (random.is(0.05)) await work.tryHold()
      else {
        await work.hold(() => new Promise((resolve) => setImmediate(resolve)), {
          inOrder: true,
          end: index % 50 === 0 ? 'twice' : 'release',
        })
      }
    })
  },
}
