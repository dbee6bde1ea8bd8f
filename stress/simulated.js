// @ts-check
'use strict'
// The simulator as a process of its own: its work must not be mistaken for the pool's. One simulated Blender at a
// time, started and stopped on request; it ends with the process that started it.

const { startSimulator } = require('../simulator')
const { MARK } = require('./speech')

/** @typedef {import('../simulator').Simulator} Simulator */

/** Each of a millisecond at least. */
const TURNS = 10

/** @type {Simulator | null} */
let simulator = null

/** The most connections that were open beside each other. */
let peak = 0

/**
 * Looks at who is beside each connection that came, and again some turns later: one that its client had closed before
 * may have been on its way out still, and what is open then has really been there at the same time. Turns, because
 * time alone says nothing on a busy machine.
 * @param {Simulator} server
 */
function watch(server) {
  const open = new Set()
  peak = 0
  server.on(({ event, socket }) => {
    if (event === 'close') open.delete(socket)
    if (event !== 'connect') return
    open.add(socket)
    const beside = [...open]
    let turns = TURNS
    const turn = () => {
      turns--
      if (turns > 0) setTimeout(turn, 1).unref()
      else peak = Math.max(peak, beside.filter((other) => open.has(other)).length)
    }
    turn()
  })
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
  return { peak, connects, runs, violations: kinds }
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
