// @ts-check
'use strict'
// What the pool is put under load against: Blenders that were named, or a simulator in a process of its own. It
// finds out what they speak, how a mark comes back from them and how long an answer takes when nobody is waiting.

const { ConnectionPool } = require('..')
const { absenceOf } = require('./presence')
const { SimulatorProcess } = require('./simulator-process')
const { ROWS, Speech, WAYS } = require('./speech')

const ANSWER_MS = 10_000
const CALIBRATIONS = 20
const CALIBRATION_MS = 2000

/**
 * @typedef {{ peak: number, connects: number, runs: Record<string, number>, violations: Record<string, number> }} ServerFigures
 * @typedef {object} Endpoint
 * @property {'simulator' | 'given'} kind
 * @property {string} title for people
 * @property {import('..').DialectName} dialect
 * @property {Speech} speech
 * @property {number} plainMs of a plain command when nobody waits
 * @property {(scenario: { simulator?: object, faults?: object[] }) => Promise<Partial<import('..').PoolOptions>>} open
 *   gives the pool's options for a scenario
 * @property {() => Promise<ServerFigures | null>} figures of the server, of the scenario that was opened last; null:
 *   it cannot be asked
 * @property {(ms: number) => Promise<import('./presence').Absence | null>} absence whether nobody answers any more,
 *   within so many milliseconds
 * @property {() => Promise<void>} stop ends what was started, and nothing else
 */

/**
 * @param {{ endpoints: string[], dialect: string, allowRemote: boolean, seed: number }} settings
 * @param {AbortSignal} signal
 * @returns {Promise<Endpoint>}
 */
async function openEndpoint(settings, signal) {
  return settings.endpoints.length > 0 ? given(settings, signal) : simulated(settings, signal)
}

/** @param {Parameters<typeof openEndpoint>[0]} settings @param {AbortSignal} signal @returns {Promise<Endpoint>} */
async function given({ endpoints, dialect, allowRemote }, signal) {
  const options = (/** @type {string} */ speaks) => ({
    endpoints: endpoints.map((address) => withPort(address, speaks)),
    dialect: /** @type {import('..').DialectName} */ (speaks),
    allowRemote,
  })
  // Somebody waits for the first word: nobody there is told at once.
  const patience = { maxConnections: endpoints.length, connectRetryMs: 0 }
  const pool = new ConnectionPool({ ...options(dialect), ...patience })
  try {
    const dialects = new Set()
    for (const { name } of pool.endpoints()) {
      const asked = { endpoint: name, timeoutMs: ANSWER_MS, signal }
      dialects.add(await pool.use(async (held) => held.dialect, asked))
    }
    if (dialects.size > 1) {
      throw new Error(
        `The endpoints speak ${[...dialects].join(' and ')}: give those of one dialect at a time.`,
      )
    }
    const [speaks] = dialects
    const { speech, plainMs } = await listen(pool, speaks, speaks === 'worker', signal)
    return {
      kind: 'given',
      title: endpoints.join(', '),
      dialect: speaks,
      speech,
      plainMs,
      open: async () => options(speaks),
      figures: async () => null,
      absence: (ms) => absenceOf(options(speaks), speech, ms),
      stop: async () => {},
    }
  } finally {
    await pool.close({ force: true })
  }
}

/** @param {string} address @param {string} dialect */
function withPort(address, dialect) {
  const row = ROWS[/** @type {import('..').DialectName} */ (dialect)]
  const bare = !address.includes(':') || /^\[[^\]]*\]$/.test(address)
  return bare ? `${address}:${row?.port ?? 9876}` : address
}

/** @param {Parameters<typeof openEndpoint>[0]} settings @param {AbortSignal} signal @returns {Promise<Endpoint>} */
async function simulated({ dialect, seed }, signal) {
  const speaks = /** @type {import('..').DialectName} */ (dialect === 'auto' ? 'worker' : dialect)
  const child = new SimulatorProcess()
  /** @type {Partial<import('..').PoolOptions>} */
  let current = {}
  /** @param {{ simulator?: object, faults?: object[] }} scenario */
  const open = async ({ simulator = {}, faults = [] }) => {
    const options = { dialect: speaks, seed, beatMs: 2, ...simulator }
    const { address } = await child.ask('start', { options, faults })
    current = { endpoints: address, dialect: speaks }
    return current
  }
  try {
    const pool = new ConnectionPool({ ...(await open({})), maxConnections: 1 })
    const { speech, plainMs } = await listen(pool, speaks, true, signal).finally(() => pool.close())
    return {
      kind: 'simulator',
      title: `the bundled simulator, speaking ${speaks}`,
      dialect: speaks,
      speech,
      plainMs,
      open,
      figures: () => child.ask('figures'),
      absence: (ms) => absenceOf(current, speech, ms),
      stop: () => child.stop(),
    }
  } catch (error) {
    await child.stop()
    throw error
  }
}

/**
 * Finds a way in which a mark comes back, and how long an answer takes.
 * @param {ConnectionPool} pool
 * @param {import('..').DialectName} dialect
 * @param {boolean} mayBlock
 * @param {AbortSignal} signal
 */
async function listen(pool, dialect, mayBlock, signal) {
  for (const way of WAYS) {
    const row = ROWS[dialect]
    if (way !== 'ping' && row[way] === undefined) continue
    const speech = new Speech(dialect, way, mayBlock)
    const answers = async () => {
      const mark = speech.mark()
      const reply = await pool.execute(speech.command(mark), { timeoutMs: ANSWER_MS, signal })
      return speech.complaint(reply, mark) === null
    }
    // One that breaks off now and then is what this tool is for.
    if (!(await answers().catch(answers).catch(answers))) continue
    const began = performance.now()
    for (let n = 0; n < CALIBRATIONS && performance.now() - began < CALIBRATION_MS; n++) {
      await answers().catch(() => {})
    }
    const { commandMs } = pool.stats()
    return { speech, plainMs: commandMs.p50 }
  }
  throw new Error(`${dialect} answered none of the commands that change nothing.`)
}

module.exports = { openEndpoint }
