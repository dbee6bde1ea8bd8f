// @ts-check
'use strict'

/** @type {import('.').Scenario} */
module.exports = {
  name: 'races',
  mode: 'detect',
  title: 'Race detection',
  shows:
    'Everything at once, by dice: commands, connections held for several of them, callers that give up while ' +
    'they wait or while Blender works, releases in duplicate, discards and recycling. Its times are not ' +
    'judged, for cut connections have to be opened anew; its checks are.',
  timed: false,
  pool: ({ connections }) => ({
    maxConnections: connections,
    maxUses: 20,
    maintenanceIntervalMs: 50,
  }),
  simulator: { beatMs: 1, jitterMs: 4 },
  faults: [{ chance: 0.3, splitAt: 7 }],
  async run(work, { callers, operations, random }) {
    /** @type {(() => Promise<unknown>)[]} */
    const moves = [
      () => work.execute(),
      () => work.execute(),
      () => work.hold(({ say }) => say().then(() => say()), { by: 'use' }),
      () => work.hold(({ say }) => Promise.all([say(), say()])),
      () => work.hold(({ say }) => say(), { end: 'twice' }),
      () => work.hold(({ say }) => say(), { end: random.of(['discard', 'recycle', 'release']) }),
      () => work.hold(() => work.pause(random.between(0, 3))),
      () => work.tryHold(),
    ]
    await work.share(callers, operations, () =>
      random.is(0.06)
        ? random.is(0.5)
          ? work.execute({ giveUpAfterMs: random.between(0, 30) })
          : work.hold(({ say }) => say(), { giveUpAfterMs: random.between(0, 30) })
        : random.of(moves)(),
    )
  },
}
