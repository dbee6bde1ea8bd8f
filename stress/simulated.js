// @ts-check
'use strict'
// The simulator as a process of its own: its work must not be mistaken for the pool's. One simulated Blender at a
// time, started and stopped on request; it ends with the process that started it.

const { startSimulator } = require('../simulator')
const { MARK } = require('./speech')

/** @typedef {import('../simulator').Simulator} Simulator */

const LAG_MS = 25

/** @type {Simulator | null} */
let simulator = null

/** Every connection, by its number: when it came and when it was seen to go. @type {Map<number, { from: number, to: number }>} */
const stays = new Map()

/** @param {Simulator} server */
function watch(server) {
  stays.clear()
  server.on(({ event, socket }) => {
    const now = performance.now()
    if (event === 'connect') stays.set(socket, { from: now, to: Infinity })
    const stay = stays.get(socket)
    if (event === 'close' && stay) stay.to = now
  })
}

/**
 * The most connections that were open at one time. Each counts as gone a little before that was seen: that the
 * client closed one is sometimes read only after the next one, which it dialled later.
 */
function peakOf() {
  const steps = [...stays.values()]
    .filter(({ from, to }) => to - LAG_MS > from)
    .flatMap(({ from, to }) => [
      { at: from, by: 1 },
      { at: to - LAG_MS, by: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.by - b.by)
  let open = 0
  let peak = 0
  for (const { by } of steps) {
    open += by
    peak = Math.max(peak, open)
  }
  return peak
}

/** What the referee needs of the server's own statistics. @param {Simulator} server */
function figuresOf(server) {
  const { connects, commands, violations } = server.stats()
  /** @type {Record<string, number>} */
  const runs = {}
  for (const { params, runs: times } of commands) {
    const mark = JSON.stringify(params ?? null).match(MARK)?.[0]
    if (mark !== undefined && times > 0) runs[mark] = (runs[mark] ?? 0) + times
  }
  /** @type {Record<string, number>} */
  const kinds = {}
  for (const { kind } of violations) kinds[kind] = (kinds[kind] ?? 0) + 1
  return { peak: peakOf(), connects, runs, violations: kinds }
}

/** @type {Record<string, (given: any) => Promise<unknown>>} */
const REQUESTS = {
  async start({ options, faults }) {
    await simulator?.close()
    simulator = await startSimulator(options)
    simulator.setFaults(faults)
    watch(simulator)
    return { address: simulator.address, dialect: simulator.dialect }
  },
  figures: async () => (simulator ? figuresOf(simulator) : null),
}

// Ctrl-C reaches the whole group of processes; the one that started this decides when it goes.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
process.once('disconnect', async () => {
  await simulator?.close()
})

process.on('message', async (/** @type {any} */ { id, request, given }) => {
  try {
    process.send?.({ id, value: await REQUESTS[request](given) })
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) })
  }
})
