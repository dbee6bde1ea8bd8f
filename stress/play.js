// @ts-check
'use strict'
// One scenario from its pool to its verdict: everything that looks on is put around the pool, the scenario runs, and
// what was seen is gathered. It ends even if the scenario does not.

const { ConnectionPool } = require('..')
const { figuresOf } = require('./figures')
const { Line } = require('./line')
const { Recorder } = require('./recorder')
const { Referee } = require('./referee')
const { judge } = require('./verdict')
const { Workload } = require('./workload')

const ACQUIRE_MS = 5000
const COMMAND_MS = 5000
/** A scenario in which nothing ended for so long is given up. */
const STUCK_MS = 15_000

/**
 * @typedef {object} Parts what a test may replace
 * @property {(options: import('..').PoolOptions) => import('..').ConnectionPool} [createPool]
 * @property {number} [stuckMs]
 * @property {number} [restMs]
 */

/**
 * @typedef {object} Watch who is told of the progress
 * @property {(title: string, place: number, of: number) => void} begin
 * @property {(record: Recorder, pool: import('..').ConnectionPool) => void} during
 * @property {(played: Played) => void} end
 */

/**
 * @typedef {{ signal: AbortSignal, watch: Watch, parts?: Parts }} Around `signal`: the run is interrupted
 * @typedef {Awaited<ReturnType<typeof play>>} Played
 */

/**
 * @param {import('./scenarios').Scenario} scenario
 * @param {import('./scenarios').Room} room
 * @param {import('./endpoint').Endpoint} endpoint
 * @param {Around} around
 */
async function play(scenario, room, endpoint, { signal, watch, parts = {} }) {
  const {
    createPool = (options) => new ConnectionPool(options),
    stuckMs = STUCK_MS,
    restMs,
  } = parts
  const { speech } = endpoint
  const opened = await endpoint.open(scenario)
  const own = scenario.pool(room)
  const max = Math.min(own.maxConnections ?? Infinity, room.connections)
  const options = {
    ...opened,
    acquireTimeoutMs: Math.max(ACQUIRE_MS, Math.round(2 * room.operations * endpoint.plainMs)),
    commandTimeoutMs: COMMAND_MS,
    // Here everybody waits on purpose.
    alertQueueDepth: 0,
    alertUsePercent: 0,
    ...own,
    maxConnections: max,
  }
  const pool = createPool(options)
  const recorder = new Recorder()
  const referee = new Referee(pool, max, restMs)
  recorder.watch(pool)
  recorder.sample(() => referee.look())
  const line = new Line(placesOf(pool, max, scenario.by === 'execute' ? speech.inFlight : Infinity))
  const work = new Workload({ pool, recorder, referee, line, speech, signal })
  watch.during(recorder, pool)

  const stuck = await untilDone(scenario.run(work, room), { recorder, pool, signal, stuckMs })
  work.end()
  const durationMs = recorder.now()
  recorder.endSamples(() => referee.look())
  const interrupted = signal.aborted
  const stats = pool.stats()
  // What was cut off in the middle is not at rest, and says nothing about slots that were lost.
  if (!interrupted) await referee.finish()
  const server = await endpoint.figures()
  if (server && !interrupted) referee.compare(server, work.answered)
  await pool.close({ force: true })
  const checks = referee.end()
  const figures = figuresOf(recorder, durationMs)
  const timed = scenario.timed !== false
  if (stats.desyncs > 0) {
    work.find(
      'warning',
      `${stats.desyncs} times bytes came that nobody had asked for.`,
      'Another program may be talking to this Blender through the same add-on, or the add-on speaks out of turn.',
    )
  }
  const { findings } = work
  return {
    name: scenario.name,
    mode: scenario.mode,
    title: scenario.title,
    shows: scenario.shows,
    timed,
    interrupted,
    maxConnections: max,
    verdict: judge({ figures, checks, findings, timed, ...(stuck && { stuck }) }),
    figures,
    checks,
    samples: recorder.samples,
    notes: recorder.notes,
    pool: {
      created: stats.created,
      closed: stats.closed,
      waitMs: stats.waitMs,
      commandMs: stats.commandMs,
      connectMs: stats.connectMs,
    },
    server: server && { peak: server.peak, connects: server.connects },
  }
}

/**
 * How many operations can be served at the same time.
 * @param {import('..').ConnectionPool} pool
 * @param {number} max
 * @param {number} inFlight
 */
function placesOf(pool, max, inFlight) {
  const places = pool.endpoints().reduce((sum, one) => sum + Math.min(one.max, inFlight), 0)
  return Math.min(max, places)
}

/**
 * Waits for a scenario, but not for ever: after an interruption its commands are cut, and when nothing ends any
 * more it is left behind.
 * @param {Promise<void>} running
 * @param {{ recorder: Recorder, pool: import('..').ConnectionPool, signal: AbortSignal, stuckMs: number }} around
 * @returns {Promise<string | undefined>} why it was given up
 */
async function untilDone(running, { recorder, pool, signal, stuckMs }) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  let seen = -1
  const cut = () => void pool.close({ force: true }).catch(() => {})
  signal.addEventListener('abort', cut)
  if (signal.aborted) cut()
  const stuck = new Promise((resolve) => {
    timer = setInterval(() => {
      if (recorder.done === seen) resolve(`Nothing ended for ${stuckMs} ms; it was given up.`)
      seen = recorder.done
    }, stuckMs)
  })
  try {
    return /** @type {string | undefined} */ (
      await Promise.race([running.then(() => undefined), stuck])
    )
  } catch (error) {
    if (!signal.aborted) return `It broke off: ${error instanceof Error ? error.message : error}.`
  } finally {
    clearInterval(timer)
    signal.removeEventListener('abort', cut)
  }
}

module.exports = { play }
