'use strict'

/**
 * Faults on demand. Each fault says when it strikes (`times`, `skip`, `chance`, `command`, `match`)
 * and what it does, to a connection or to a command. The first live fault that fits is the one.
 */

/** @typedef {import('./index').Fault} Fault */
/** @typedef {'connection' | 'command' | 'bytes'} Stage */

const WHEN = ['times', 'skip', 'chance', 'command', 'match']
const CONNECTION = ['refuse', 'acceptDelayMs', 'greeting']
const COMMAND = [
  'delayMs',
  'splitAt',
  'pauseMs',
  'truncate',
  'garbage',
  'silence',
  'reset',
  'unsolicited',
  'dialect',
  'replyBytes',
  'id',
]
const RESETS = ['beforeRead', 'afterRead', 'afterRun', 'midReply']

class Faults {
  /** @type {{ fault: Fault, stage: Stage, skip: number, times: number }[]} */
  #live = []
  #random

  /** @param {() => number} random */
  constructor(random) {
    this.#random = random
  }

  /** @param {Fault | Fault[] | null} [faults] */
  set(faults) {
    this.#live = [faults ?? []].flat().map((fault) => ({
      fault,
      stage: stageOf(fault),
      skip: fault.skip ?? 0,
      times: fault.times ?? Number.POSITIVE_INFINITY,
    }))
  }

  /**
   * The fault that strikes here, now spent once; undefined when all goes well.
   *
   * @param {Stage} stage
   * @param {import('./index').FaultSubject} subject
   * @param {import('./commands').Call[]} [calls] what the command does; it may carry its own fault
   * @returns {Fault | undefined}
   */
  take(stage, subject, calls = []) {
    const own = calls.find(({ params }) => params?.$fault)?.params.$fault
    if (own && stageOf(own) === stage) return own
    for (const entry of this.#live) {
      const { fault } = entry
      if (entry.stage !== stage || entry.times <= 0 || !fits(fault, subject, calls)) continue
      if (fault.chance !== undefined && this.#random() >= fault.chance) continue
      if (entry.skip > 0) {
        entry.skip--
        continue
      }
      entry.times--
      return fault
    }
    return undefined
  }
}

/**
 * @param {Fault} fault
 * @param {import('./index').FaultSubject} subject
 * @param {import('./commands').Call[]} calls
 */
function fits({ command, match }, subject, calls) {
  const names = [subject.command, ...calls.map((call) => call.command)]
  if (command !== undefined && ![command].flat().some((name) => names.includes(name))) return false
  return match === undefined || match(subject)
}

/**
 * Checks a fault as well: a misspelt one would silently test nothing.
 *
 * @param {Fault} fault
 * @returns {Stage}
 */
function stageOf(fault) {
  const keys = Object.keys(fault)
  const known = [...WHEN, ...CONNECTION, ...COMMAND]
  const stray = keys.find((key) => !known.includes(key))
  if (stray) throw new TypeError(`Unknown fault '${stray}'; known: ${known.join(', ')}`)
  const onConnection = keys.some((key) => CONNECTION.includes(key))
  const onCommand = keys.some((key) => COMMAND.includes(key))
  if (onConnection === onCommand) {
    throw new TypeError(
      `A fault is either of a connection (${CONNECTION.join(', ')}) or of a command (${COMMAND.join(', ')})`,
    )
  }
  if (fault.reset !== undefined && !RESETS.includes(fault.reset)) {
    throw new TypeError(`reset must be one of ${RESETS.join(', ')}`)
  }
  if (onConnection) return 'connection'
  return fault.reset === 'beforeRead' ? 'bytes' : 'command'
}

module.exports = { Faults }
