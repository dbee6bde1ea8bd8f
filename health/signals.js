// @ts-check
'use strict'
// Signals that ask the process to end. The first begins the shutdown; one more has no patience left.

const os = require('node:os')
const { setImmediate } = require('node:timers')
const { flag, listOf, milliseconds, readSettings } = require('./settings')

/** @typedef {import('./shutdown').ShutdownRegistry} ShutdownRegistry */

/** Nobody can listen to these. */
const DEAF = ['SIGKILL', 'SIGSTOP']

/** @param {unknown} name */
const isSignal = (name) =>
  typeof name === 'string' && Object.hasOwn(os.constants.signals, name) && !DEAF.includes(name)

const SETTINGS = {
  signals: listOf(isSignal, "a list of signals: ['SIGINT', 'SIGTERM']", ['SIGINT', 'SIGTERM']),
  exit: flag(true),
  // Ctrl-C under `npm start` may come twice: from the terminal, and once more from npm, which passes it on.
  repeatMs: milliseconds(0, 500),
}

/**
 * @param {ShutdownRegistry} registry
 * @param {unknown} [options]
 * @returns {() => void} takes the listeners away
 * @throws {import('../lib/pool-error').PoolError} ERR_POOL_INVALID_OPTION
 */
function installSignalHandlers(registry, options) {
  const settings = readSettings(options, 'installSignalHandlers()', SETTINGS)
  /** @type {{ signals: NodeJS.Signals[], exit: boolean, repeatMs: number }} */
  const { signals, exit, repeatMs } = settings
  /** When the first came. @type {number | null} */
  let askedAt = null

  /** @param {NodeJS.Signals} signal */
  const listener = (signal) => {
    if (askedAt === null) {
      askedAt = performance.now()
      registry.run(signal).then(end)
    } else if (performance.now() - askedAt >= repeatMs) {
      force(signal)
    }
  }

  const uninstall = () => {
    for (const signal of signals) process.off(signal, listener)
  }

  /** @param {import('./index').ShutdownReport} report */
  const end = ({ ok }) => {
    uninstall()
    if (!exit) return
    // Callers whose work ended with the shutdown have not gone on yet; this is their turn to say so.
    setImmediate(() => {
      // Without an argument it is process.exitCode, else 0: an end that was asked for and went well.
      if (ok) process.exit()
      process.exit(1)
    })
  }

  /** @param {NodeJS.Signals} signal */
  const force = (signal) => {
    uninstall()
    if (exit) process.exit(128 + os.constants.signals[signal])
    // The program ends itself; without listeners the signal does it for it.
    process.kill(process.pid, signal)
  }

  for (const signal of signals) process.on(signal, listener)
  return uninstall
}

module.exports = { installSignalHandlers }
