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
const { untilDone } = require('./watchdog')
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

  const ending = await untilDone(scenario.run(work, room), { recorder, pool, signal, stuckMs })
  const { pending } = referee
  work.end()
  const durationMs = recorder.now()
  recorder.endSamples(() => referee.look())
  const interrupted = signal.aborted
  const stats = pool.stats()
  const stuck = ending?.how === 'stuck'
  // What was cut off in the middle is not at rest, and says nothing about slots that were lost.
  if (!interrupted && !stuck) await referee.finish()
  await pool.close({ force: true })
  // Asked when the pool has let go of it: some serve one connection at a time.
  const doubtful = !interrupted && (ending !== null || referee.doubtful)
  const absence = doubtful ? await endpoint.absence(Math.min(stuckMs, COMMAND_MS)) : null
  if (!interrupted) referee.judgeSlots(absence === null)
  // Nothing ran out of time either, and Blender answers: whoever waits has been forgotten.
  if (stuck && ending.still && absence === null) referee.settled(pending)
  const server = absence === null ? await endpoint.figures() : null
  if (server && !interrupted) referee.compare(server, work.answered)
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
  const told = explain(ending, absence)
  return {
    name: scenario.name,
    mode: scenario.mode,
    title: scenario.title,
    shows: scenario.shows,
    timed,
    interrupted,
    away: absence && whyAway(absence, ending),
    maxConnections: max,
    verdict: judge({
      figures,
      checks,
      findings,
      timed,
      cut: interrupted,
      ...(told && { [absence ? 'away' : 'stuck']: told }),
    }),
    figures,
    checks,
    samples: recorder.samples,
    notes: recorder.notes,
    pool: {
      opened: recorder.opened,
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
 * Why a scenario did not come to its end, or what is to be known of how it did.
 * @param {import('./watchdog').Ending | null} ending
 * @param {import('./presence').Absence | null} absence
 */
function explain(ending, absence) {
  if (absence !== null && !absence.silent) return `Blender went away: ${absence.cause}.`
  const silent = 'Blender took a command and does not answer'
  if (ending === null) return absence && `${silent} any more.`
  if (ending.how === 'brokeOff') return absence ? `${silent}. ${ending.text}` : ending.text
  if (absence) return `${ending.text}: ${silent}. Given up.`
  const why = ending.still ? 'nothing ended, though Blender answers' : 'every call ran out of time'
  return `${ending.text}: ${why}. Given up.`
}

/**
 * @param {import('./presence').Absence} absence
 * @param {import('./watchdog').Ending | null} ending
 */
function whyAway({ silent, cause }, ending) {
  return { silent, cause: silent && ending ? ending.text.replace('No ', 'no ') : cause }
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

module.exports = { play }
