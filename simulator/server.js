'use strict'

/** The simulator itself: listens, admits connections, and can be killed, frozen and restarted. */

const net = require('node:net')

const { Blender } = require('./blender')
const { Clock, Gate } = require('./clock')
const { UNSOLICITED, bytesOf, reset } = require('./delivery')
const { DIALECTS } = require('./dialects')
const { Faults } = require('./faults')
const { Ledger } = require('./ledger')
const { Session } = require('./session')

class Simulator {
  port = 0
  #clock
  #gate = new Gate()
  #ledger = new Ledger()
  #faults
  /** @type {Set<Session>} */
  #sessions = new Set()
  /** @type {net.Server | null} */
  #listener = null
  /** @type {Promise<void>} when the connection admitted before this one is over */
  #turn = Promise.resolve()
  #beatMs
  #at
  #blender

  /** @param {ReturnType<typeof import('./options').settledOptions>} options */
  constructor({ dialect, host, port, path, beatMs, jitterMs, seed, switches }) {
    this.dialect = dialect
    this.host = host
    this.port = port
    this.path = path
    this.#beatMs = beatMs
    this.#clock = new Clock(seed)
    this.#faults = new Faults(() => this.#clock.random())
    /** @type {import('./session').Surroundings} */
    this.#at = {
      row: DIALECTS[dialect],
      switches,
      jitterMs,
      ledger: this.#ledger,
      faults: this.#faults,
      clock: this.#clock,
      gate: this.#gate,
    }
    this.#blender = this.#newBlender()
  }

  get address() {
    if (this.path !== undefined) return `unix:${this.path}`
    return net.isIPv6(this.host) ? `[${this.host}]:${this.port}` : `${this.host}:${this.port}`
  }

  stats() {
    return this.#ledger.snapshot()
  }

  /** @param {(event: import('./index').SimulatorEvent) => void} listener */
  on(listener) {
    return this.#ledger.on(listener)
  }

  /** @param {(stats: import('./index').SimulatorStats) => boolean} holds */
  waitFor(holds) {
    return this.#ledger.waitFor(holds)
  }

  /** @param {import('./index').Fault | import('./index').Fault[] | null} [faults] */
  setFaults(faults) {
    this.#faults.set(faults)
  }

  /**
   * Bytes that nobody asked for, to one connection or to all.
   *
   * @param {string | Buffer | true} [bytes]
   * @param {number} [socket]
   */
  say(bytes = true, socket) {
    for (const session of this.#chosen(socket)) session.socket.write(bytesOf(bytes, UNSOLICITED))
  }

  /** @param {{ socket?: number, reset?: boolean }} [which] */
  hangUp({ socket, reset: byReset = false } = {}) {
    for (const session of this.#chosen(socket)) session.hangUp(byReset ? 'reset' : 'fin')
  }

  async startListening() {
    if (this.#listener) return
    const listener = net.createServer({ pauseOnConnect: true }, (socket) => this.#meet(socket))
    this.#listener = listener
    try {
      await new Promise((resolve, reject) => {
        listener.on('error', reject)
        const { host, port, path } = this
        listener.listen(path === undefined ? { host, port } : { path }, () => resolve(undefined))
      })
    } catch (error) {
      this.#listener = null
      throw error
    }
    const address = listener.address()
    if (address && typeof address === 'object') this.port = address.port
  }

  /** Ends every `hold`. */
  release() {
    this.#blender.release()
  }

  /** New connections are refused by the kernel; the open ones stay. */
  async stopListening() {
    const listener = this.#listener
    if (!listener) return
    this.#listener = null
    listener.close()
    // The kernel lets go of the port at the end of this turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** As a crash: every connection is reset and nothing listens. */
  kill() {
    return this.#end('reset')
  }

  /** As an orderly end: connections are closed, nothing stays open. */
  close() {
    return this.#end('destroy')
  }

  /** A new Blender on the same address; the statistics go on. */
  async restart() {
    await this.kill()
    this.#clock.start()
    this.#blender = this.#newBlender()
    await this.startListening()
  }

  /** As SIGSTOP: the kernel still accepts connections, and nobody answers. */
  freeze() {
    this.#gate.shut()
    for (const session of this.#sessions) session.freeze()
  }

  thaw() {
    this.#gate.open()
    for (const session of this.#sessions) session.thaw()
  }

  /** @param {'reset' | 'destroy'} how */
  async #end(how) {
    const listening = this.stopListening()
    const sessions = [...this.#sessions]
    for (const session of sessions) session.hangUp(how)
    this.#blender.stop()
    this.#gate.open()
    this.#clock.stop()
    await Promise.all([listening, ...sessions.map(({ closed }) => closed)])
  }

  /** @param {net.Socket} socket */
  #meet(socket) {
    const number = ++this.#ledger.connects
    socket.setNoDelay(true)
    const fault = this.#faults.take('connection', { socket: number })
    if (fault) this.#ledger.struck(number)
    if (fault?.refuse) {
      socket.on('error', () => {})
      if (fault.refuse === 'reset') reset(socket)
      else socket.destroy()
      return this.#ledger.turnedAway(number)
    }
    this.#checkManners(number)
    const session = new Session(this.#at, this.#blender, socket, number)
    this.#sessions.add(session)
    session.closed.then(() => this.#sessions.delete(session))
    this.#ledger.opened(number)
    if (fault?.greeting !== undefined) socket.write(bytesOf(fault.greeting, UNSOLICITED))
    this.#admit(session, fault?.acceptDelayMs ?? 0)
  }

  /** @param {Session} session @param {number} delayMs */
  async #admit(session, delayMs) {
    const before = this.#turn
    if (this.#at.switches.oneConnectionAtATime) {
      this.#turn = before.then(() => session.closed)
      await before
    }
    if (delayMs > 0) await this.#clock.sleep(delayMs)
    await this.#gate.pass()
    if (!session.socket.destroyed) session.start()
  }

  /** @param {number} number */
  #checkManners(number) {
    const { row, ledger } = this.#at
    const unanswered = [...this.#sessions].some(
      ({ answers, socket }) => answers === 0 && !socket.destroyed,
    )
    if (row.rules.answerBeforeNextDial && unanswered) ledger.violate('dialBeforeAnswer', number)
    if (row.rules.quiet && this.#blender.stdout.isCaptured) {
      ledger.violate('dialWhileRunning', number)
    }
  }

  #newBlender() {
    const { row, switches } = this.#at
    const [clock, gate, beatMs] = [this.#clock, this.#gate, this.#beatMs]
    return new Blender({ row, switches, beatMs, clock, gate, quit: () => this.close() })
  }

  /** @param {number} [socket] */
  #chosen(socket) {
    return [...this.#sessions].filter(({ number }) => socket === undefined || number === socket)
  }
}

module.exports = { Simulator }
