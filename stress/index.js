// @ts-check
'use strict'
// `blender-pool stress`: opens what the load is put on, runs the session, and hands out what came of it. The verdict
// is the exit code; an interrupted run still tells what it had measured.

const fs = require('node:fs/promises')
const path = require('node:path')
const { openEndpoint } = require('./endpoint')
const { HELP, OPTIONS, readSettings } = require('./options')
const { Progress } = require('./progress')
const { reportOf } = require('./report')
const { runSession } = require('./session')

const EXIT_CODES = { good: 0, warning: 1, bad: 3 }
/** Of a run that could not take place, or not to its end. */
const NOT_RUN = 4
const SIGNALS = /** @type {const} */ ({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })

/** @param {Record<string, any>} values @returns {Promise<number>} the exit code */
async function run(values) {
  const { settings, output } = readSettings(values)
  const progress = new Progress(process.stderr, output.quiet)
  const interruption = interruptions(progress)
  let endpoint
  try {
    await writable(output)
    progress.note(progress.ink('bold', 'blender-pool stress'))
    endpoint = await openEndpoint(settings, interruption.signal).catch(explained)
    progress.note(
      `Against ${endpoint.title}; a plain command takes ${endpoint.plainMs.toFixed(1)} ms. Seed ${settings.seed}.`,
    )
    const around = { signal: interruption.signal, watch: progress }
    const result = await runSession(settings, endpoint, around)
    const ended = result.away ? NOT_RUN : EXIT_CODES[result.verdict ?? 'good']
    const exitCode = interruption.code ?? ended
    const full = { ...result, exitCode }
    await handOut(full, output, progress)
    return exitCode
  } catch (error) {
    // Interrupted before there was anything to measure.
    if (interruption.code !== undefined) return interruption.code
    throw error
  } finally {
    progress.close()
    interruption.end()
    await endpoint?.stop()
  }
}

/** The first signal ends the run in order, the second at once. @param {Progress} progress */
function interruptions(progress) {
  const controller = new AbortController()
  const state = {
    signal: controller.signal,
    code: /** @type {number | undefined} */ (undefined),
    end() {
      for (const [name, listener] of listeners) process.off(name, listener)
    },
  }
  const listeners = Object.entries(SIGNALS).map(([name, code]) => {
    const listener = () => {
      if (controller.signal.aborted) {
        progress.close()
        process.exit(code)
      }
      state.code = code
      progress.note('Interrupted: ending in order; once more to end at once.')
      controller.abort()
    }
    process.on(name, listener)
    return /** @type {const} */ ([name, listener])
  })
  return state
}

/** Found out before the run, not after it. @param {import('./options').Output} output */
async function writable({ report, json }) {
  for (const file of [report, json === '-' ? null : json]) {
    if (file === null) continue
    const folder = path.dirname(path.resolve(file))
    await fs.access(folder, fs.constants.W_OK).catch((cause) => {
      throw Object.assign(new Error(`Nothing can be written to ${folder}.`, { cause }), {
        code: cause.code,
        advice: 'Name another file with --report or --json, or use --no-report.',
      })
    })
  }
}

/** The pool speaks of its options; here they have other names. @param {any} error @returns {never} */
function explained(error) {
  if (error?.code !== 'ERR_POOL_INVALID_OPTION') throw error
  const remote = /allowRemote/.test(`${error.message} ${error.advice}`)
  const message = error.message.replace(/^endpoints\[\d+\]: /, '--endpoint ')
  const advice = remote
    ? 'Add --allow-remote if that machine is meant: its add-on runs whatever code it is sent, without a password.'
    : 'Give each Blender as host:port, and none of them twice.'
  throw Object.assign(new Error(message), { code: error.code, advice })
}

/**
 * @param {import('./session').Result & { exitCode: number }} result
 * @param {import('./options').Output} output
 * @param {Progress} progress
 */
async function handOut(result, { report, json }, progress) {
  const { verdict, ended, away } = result
  progress.close()
  if (report !== null) await fs.writeFile(report, reportOf(result))
  if (json !== null && json !== '-') await fs.writeFile(json, `${JSON.stringify(result)}\n`)
  const soFar = ended !== null && verdict !== 'bad' ? ' so far' : ''
  const words = verdict === null ? 'none, nothing was played to its end' : `${verdict}${soFar}`
  const line = `Verdict: ${words}${ended === null ? '' : ` (${ended})`}.${report === null ? '' : ` Report: ${report}`}`
  if (away !== null) progress.say(away)
  if (json !== '-') {
    process.stdout.write(`${line}\n`)
    return
  }
  progress.note(line)
  await new Promise((resolve) => {
    process.stdout.write(`${JSON.stringify(result)}\n`, resolve)
  })
}

module.exports = { help: HELP, options: OPTIONS, run }
