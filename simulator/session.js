'use strict'

/**
 * One client's connection: reads requests, springs the add-on's traps, hands commands to the main
 * thread and sends the replies.
 */

const { isAscii } = require('node:buffer')

const { callsIn } = require('./commands')
const { deliver, reset } = require('./delivery')
const { DIALECTS } = require('./dialects')
const { FRAMINGS } = require('./framing')

/** @typedef {import('./index').Fault} Fault */
/** @typedef {import('./framing').Document} Document */
/** @typedef {import('./dialects').Request} Request */
/** @typedef {{ result: unknown } | { message: string, why?: import('./dialects').Why }} Outcome */

/**
 * @typedef {object} Surroundings what every session of one simulator shares
 * @property {import('./dialects').Dialect} row
 * @property {import('./index').Switches} switches
 * @property {number} jitterMs
 * @property {import('./ledger').Ledger} ledger
 * @property {import('./faults').Faults} faults
 * @property {import('./clock').Clock} clock
 * @property {import('./clock').Gate} gate
 */

class Session {
  /** How many commands of this connection were answered. */
  answers = 0
  /** @type {Promise<void>} */
  closed
  #started = false
  #closedByUs = false
  #betweenRequests = true
  #requests = 0
  /** @type {{ entry: import('./ledger').Entry, request: Request } | undefined} */
  #latest
  /** @type {import('./ledger').Entry[]} */
  #open = []
  #reader
  #at

  /**
   * @param {Surroundings} at
   * @param {import('./blender').Blender} blender
   * @param {import('node:net').Socket} socket
   * @param {number} number
   */
  constructor(at, blender, socket, number) {
    this.#at = at
    this.blender = blender
    this.socket = socket
    this.number = number
    const { framing, decodesBytes } = at.row
    this.#reader = FRAMINGS[framing].reader({ ...at.switches, decodesBytes })
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('end', () => this.#noise('Client disconnected'))
    socket.on('error', (error) => this.#noise(`Error receiving data: ${error.message}`))
    socket.on('timeout', () => this.#evict())
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#noise('Client handler stopped')
        const { rules } = at.row
        if (rules.quiet && blender.stdout.isCaptured && !this.#closedByUs) {
          at.ledger.violate('closeWhileRunning', number)
        }
        at.ledger.closed(number)
        resolve()
      })
    })
    this.#noise(`Connected to client: ${peerOf(socket)}`)
    this.#noise('Client handler started')
  }

  /** Reading begins here; until then what the client sends waits in the kernel. */
  start() {
    this.#started = true
    this.socket.setTimeout(this.#at.switches.evictIdleMs)
    this.socket.resume()
  }

  freeze() {
    this.socket.pause()
  }

  thaw() {
    if (this.#started) this.socket.resume()
  }

  /** @param {'fin' | 'reset' | 'destroy'} how */
  hangUp(how) {
    this.#closedByUs = true
    if (how === 'reset') reset(this.socket)
    else if (how === 'fin') this.socket.end()
    else this.socket.destroy()
  }

  /** @param {Buffer} chunk */
  #read(chunk) {
    const { faults, ledger } = this.#at
    if (this.#betweenRequests && faults.take('bytes', { socket: this.number })) {
      ledger.struck(this.number)
      return this.hangUp('reset')
    }
    const documents = this.#reader.push(chunk)
    this.#betweenRequests = documents.length > 0
    for (const document of documents) this.#take(document)
  }

  /** @param {Document} document */
  #take({ bytes, value, problem }) {
    const { row, switches, ledger } = this.#at
    if (problem) return this.#complain(problem)
    if (this.#requests++ > 0 && switches.oneRequestPerConnection) {
      return ledger.violate('secondRequest', this.number)
    }
    this.socket.setTimeout(0)
    if (switches.maxRequestBytes > 0 && bytes.length > switches.maxRequestBytes) {
      ledger.violate('requestTooLarge', this.number)
      return this.hangUp('fin')
    }
    let request
    try {
      request = row.read(value)
    } catch (error) {
      ledger.violate('badEnvelope', this.number)
      const { message, id, why } = /** @type {import('./dialects').Refusal} */ (error)
      return this.#refuse(message, why, id)
    }
    this.#note(request, bytes)
    this.#accept(request, bytes.length)
  }

  /** @param {NonNullable<Document['problem']>} problem */
  #complain(problem) {
    const { switches, ledger } = this.#at
    ledger.violate(problem, this.number)
    if (problem === 'wedged') return
    if (problem === 'invalidUtf8' && switches.strictUtf8) return this.hangUp('fin')
    this.#refuse(problem === 'invalidUtf8' ? 'Invalid UTF-8' : 'Invalid JSON')
  }

  /** Notes what a careful client would not have done. @param {Request} request @param {Buffer} bytes */
  #note({ command, params }, bytes) {
    const { row, switches, ledger } = this.#at
    this.#open = this.#open.filter(({ state }) => state === 'received' || state === 'running')
    if (this.#open.length > 0) ledger.violate('pipelined', this.number, command)
    else if (row.rules.oneInFlight && ledger.inFlight > 0) {
      ledger.violate('overlapping', this.number, command)
    }
    if (row.rules.ascii && !isAscii(bytes)) ledger.violate('notAscii', this.number, command)
    if (params === null && switches.refusesNullParams) {
      ledger.violate('nullParams', this.number, command)
    }
  }

  /** @param {Request} request @param {number} bytes */
  #accept(request, bytes) {
    const { switches, ledger, faults } = this.#at
    const { command, params } = request
    const isCode = this.blender.known(command) === 'execute_code'
    const calls = isCode
      ? callsIn(/** @type {any} */ (params)?.code)
      : [{ command, params: /** @type {any} */ (params) }]
    const entry = ledger.take(this.number, request, calls, bytes)
    this.#open.push(entry)
    if (['commands', 'everything'].includes(switches.crosstalk)) {
      this.blender.stdout.print(`Received command: ${command}`)
    }

    const fault = faults.take('command', entry, calls)
    if (fault) ledger.struck(this.number, entry)
    if (fault?.reset === 'afterRead') {
      ledger.settle(entry, 'faulted')
      return this.hangUp('reset')
    }
    if (command === 'ping' && switches.pingAtOnce && switches.knowsPing) {
      this.#reply(entry, { result: { pong: true } }, fault)
      return
    }
    const job = { entry, request }
    this.#latest = job
    this.blender.mainThread.post({
      run: () => this.#run(job, fault),
      lost: () => ledger.settle(entry, 'lost'),
    })
  }

  /** @param {{ entry: import('./ledger').Entry, request: Request }} own @param {Fault} [fault] */
  async #run(own, fault) {
    const { switches, ledger } = this.#at
    // The popular add-on's task looks up "the command" only now, when a later one of the same
    // connection may have taken its place: the earlier is lost and the later runs twice.
    const { entry, request } = (switches.rebindsCommand && this.#latest) || own
    if (entry !== own.entry) ledger.settle(own.entry, 'lost')
    ledger.run(entry)
    /** @type {Outcome} */
    let outcome
    try {
      outcome = { result: await this.blender.run(request.command, request.params) }
    } catch (error) {
      outcome = /** @type {{ message: string, why?: import('./dialects').Why }} */ (error)
    }
    const written = this.#reply(entry, outcome, fault)
    // The add-on writes on its main thread, so a client that does not read holds up everybody.
    if (switches.blocksOnSlowReader && !fault && this.#at.jitterMs === 0) await written
  }

  /** @param {import('./ledger').Entry} entry @param {Outcome} outcome @param {Fault} [fault] */
  async #reply(entry, outcome, fault = {}) {
    const { switches, clock, gate, ledger, jitterMs } = this.#at
    const [low, high] = [fault.delayMs ?? 0].flat()
    const delayMs = low + clock.random() * ((high ?? low) - low + jitterMs)
    if (delayMs > 0) await clock.sleep(delayMs)
    if (gate.isShut) await gate.pass()

    const reply = this.#encode(entry, outcome, fault)
    const cut = switches.cutRepliesAtBytes
    await deliver(this.socket, reply, {
      fault: cut > 0 && reply.length >= cut ? { truncate: cut, ...fault } : fault,
      hangUp: switches.oneRequestPerConnection,
      clock,
      settle: (state) => {
        if (state === 'answered') this.answers++
        ledger.settle(entry, state)
      },
    })
  }

  /** @param {import('./ledger').Entry} entry @param {Outcome} outcome @param {Fault} fault */
  #encode(entry, outcome, { dialect, id = entry.id, replyBytes }) {
    const row = dialect ? DIALECTS[dialect] : this.#at.row
    const frame = (/** @type {Outcome} */ said) => this.#frame(row, id, said)
    if (replyBytes === undefined) return frame(outcome)
    const bare = frame({ result: '' }).length
    return frame({ result: 'x'.repeat(Math.max(0, replyBytes - bare)) })
  }

  /** @param {import('./dialects').Dialect} row @param {unknown} id @param {Outcome} said */
  #frame(row, id, said) {
    const reply =
      'message' in said
        ? row.failure(id, said.message, said.why ?? 'failed')
        : row.success(id, said.result)
    const text = JSON.stringify(reply)
    return FRAMINGS[row.framing].wrap(this.#at.switches.asciiReplies ? escaped(text) : text)
  }

  /**
   * Answers what was no command.
   *
   * @param {string} message
   * @param {import('./dialects').Why} [why]
   * @param {unknown} [id]
   */
  #refuse(message, why = 'unread', id = null) {
    if (!this.socket.writable) return
    this.socket.write(this.#frame(this.#at.row, id, { message, why }))
    if (this.#at.switches.oneRequestPerConnection) this.hangUp('fin')
  }

  #evict() {
    this.#refuse('Timed out while waiting for a request')
    this.hangUp('fin')
  }

  /** What a connection prints as it opens and closes. @param {string} line */
  #noise(line) {
    const { crosstalk } = this.#at.switches
    if (['connections', 'everything'].includes(crosstalk)) this.blender.stdout.print(line)
  }
}

/** As Python prints an address. @param {import('node:net').Socket} socket */
function peerOf({ remoteAddress = '', remotePort = 0 }) {
  return `('${remoteAddress}', ${remotePort})`
}

/** What Python's json.dumps does to every character beyond ASCII. @param {string} text */
function escaped(text) {
  return text.replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

module.exports = { Session }
