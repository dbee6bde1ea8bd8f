'use strict'

/**
 * What this server saw, counted from its side: sockets, commands, and breaches of what a careful
 * client keeps to. Every entry is also an event.
 */

const KEEP_PARAMS_BYTES = 4096

/** @typedef {import('./index').CommandRecord & { calls: import('./commands').Call[] }} Entry */

class Ledger {
  open = 0
  peak = 0
  connects = 0
  refused = 0
  received = 0
  answered = 0
  lost = 0
  inFlight = 0
  peakInFlight = 0
  faults = 0
  /** @type {Entry[]} */
  commands = []
  /** @type {import('./index').Violation[]} */
  violations = []
  /** @type {Set<(event: import('./index').SimulatorEvent) => void>} */
  #listeners = new Set()

  /** @param {(event: import('./index').SimulatorEvent) => void} listener */
  on(listener) {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** @param {import('./index').SimulatorEvent} event */
  emit(event) {
    for (const listener of [...this.#listeners]) listener(event)
  }

  /**
   * Resolves as soon as `holds` is true of these statistics: now, or after some event.
   *
   * @param {(stats: import('./index').SimulatorStats) => boolean} holds
   * @returns {Promise<void>}
   */
  waitFor(holds) {
    return new Promise((resolve, reject) => {
      const look = () => {
        try {
          if (!holds(this)) return
          resolve()
        } catch (error) {
          reject(error)
        }
        off()
      }
      const off = this.on(look)
      look()
    })
  }

  /** @returns {import('./index').SimulatorStats} */
  snapshot() {
    const { open, peak, connects, refused, received, answered, lost } = this
    const { inFlight, peakInFlight, faults } = this
    return {
      open,
      peak,
      connects,
      refused,
      received,
      answered,
      lost,
      inFlight,
      peakInFlight,
      faults,
      commands: this.commands.map(({ calls, ...record }) => ({ ...record })),
      violations: this.violations.map((violation) => ({ ...violation })),
    }
  }

  /** @param {number} socket */
  opened(socket) {
    this.peak = Math.max(this.peak, ++this.open)
    this.emit({ event: 'connect', socket })
  }

  /** @param {number} socket */
  closed(socket) {
    this.open--
    this.emit({ event: 'close', socket })
  }

  /**
   * @param {number} socket
   * @param {import('./dialects').Request} request
   * @param {import('./commands').Call[]} calls
   * @param {number} bytes
   */
  take(socket, { id, command, params }, calls, bytes) {
    /** @type {Entry} */
    const entry = {
      seq: this.commands.length + 1,
      socket,
      id,
      command,
      params: bytes <= KEEP_PARAMS_BYTES ? params : undefined,
      bytes,
      state: 'received',
      runs: 0,
      calls,
    }
    this.commands.push(entry)
    this.received++
    this.peakInFlight = Math.max(this.peakInFlight, ++this.inFlight)
    this.emit({ event: 'command', socket, command: entry })
    return entry
  }

  /** @param {Entry} entry */
  run(entry) {
    entry.runs++
    if (entry.state === 'received') entry.state = 'running'
    this.emit({ event: 'run', socket: entry.socket, command: entry })
  }

  /**
   * The command is over: `answered`, `lost` (the add-on dropped it), `faulted` (a fault on demand
   * took the reply), or `unread` (the client was gone).
   *
   * @param {Entry} entry
   * @param {'answered' | 'lost' | 'faulted' | 'unread'} state
   */
  settle(entry, state) {
    if (entry.state !== 'received' && entry.state !== 'running') return
    entry.state = state
    this.inFlight--
    if (state === 'answered') this.answered++
    if (state === 'lost') this.lost++
    this.emit({ event: state, socket: entry.socket, command: entry })
  }

  /** A fault on demand struck. @param {number} socket @param {Entry} [command] */
  struck(socket, command) {
    this.faults++
    this.emit({ event: 'fault', socket, command })
  }

  /** A connection came and was turned away. @param {number} socket */
  turnedAway(socket) {
    this.refused++
    this.emit({ event: 'refuse', socket })
  }

  /**
   * @param {import('./index').ViolationKind} kind
   * @param {number} socket
   * @param {string} [command]
   */
  violate(kind, socket, command) {
    const violation = { kind, socket, ...(command === undefined ? {} : { command }) }
    this.violations.push(violation)
    this.emit({ event: 'violation', socket, violation })
  }
}

module.exports = { Ledger }
