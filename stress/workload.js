// @ts-check
'use strict'
// The pool as a scenario sees it. Whatever goes through here is recorded, takes its place in the ideal line, is
// followed by the referee, and ends in an outcome: a scenario only says who does what, and never catches.

const { outcomeOf } = require('./recorder')

/** The reason of a caller that gives up on purpose. */
const GAVE_UP = new Error('gave up on purpose')

/**
 * @typedef {object} Held a connection in a caller's hands
 * @property {import('..').PooledConnection} connection
 * @property {(busyMs?: number) => Promise<void>} say one command, whose mark must come back
 */

class Workload {
  #recorder
  #referee
  #line
  #speech
  #signal
  #tickets = 0
  #ended = false
  /** @type {Set<() => void>} */
  #sleepers = new Set()
  /** Marks of commands that were answered. @type {string[]} */
  answered = []
  /** What the scenario itself has found out. @type {import('./verdict').Reason[]} */
  findings = []

  /**
   * @param {object} parts
   * @param {import('..').ConnectionPool} parts.pool
   * @param {import('./recorder').Recorder} parts.recorder
   * @param {import('./referee').Referee} parts.referee
   * @param {import('./line').Line} parts.line
   * @param {import('./speech').Speech} parts.speech
   * @param {AbortSignal} parts.signal the run is interrupted
   */
  constructor({ pool, recorder, referee, line, speech, signal }) {
    this.pool = pool
    this.#recorder = recorder
    this.#referee = referee
    this.#line = line
    this.#speech = speech
    this.#signal = signal
    signal.addEventListener('abort', this.#wakeAll)
  }

  #wakeAll = () => {
    for (const wake of [...this.#sleepers]) wake()
  }

  /** Whoever is left behind begins nothing more. */
  end() {
    this.#ended = true
    this.#signal.removeEventListener('abort', this.#wakeAll)
    this.#wakeAll()
  }

  /** Nothing new is to be begun. */
  get over() {
    return this.#ended || this.#signal.aborted
  }

  /** Whether Blender itself may be kept busy. */
  get mayBlock() {
    return this.#speech.mayBlock
  }

  get perRequest() {
    return this.#speech.perRequest
  }

  /** Connections that were opened until now. */
  get opened() {
    return this.#recorder.opened
  }

  /** Those of them that were closed because they had served their uses or their time. */
  get spent() {
    const { uses, lifetime } = this.pool.stats().closed
    return uses + lifetime
  }

  get referee() {
    return this.#referee
  }

  /** So many operations are to come, for whoever watches. @param {number} operations */
  expect(operations) {
    this.#recorder.expected += operations
  }

  /** @param {'good' | 'warning'} level @param {string} text @param {string} [advice] */
  find(level, text, advice) {
    this.findings.push({
      about: 'finding',
      level,
      text,
      ...(advice && level !== 'good' && { advice }),
    })
  }

  /**
   * So many callers at the same time, each doing the next piece of work until none is left.
   * @param {number} callers
   * @param {number} operations
   * @param {(index: number) => Promise<unknown>} work
   */
  async share(callers, operations, work) {
    this.expect(operations)
    let next = 0
    await Promise.all(
      Array.from({ length: Math.min(callers, operations) }, async () => {
        while (next < operations && !this.over) await work(next++)
      }),
    )
  }

  /** @param {number} ms ends early when the run is interrupted */
  async pause(ms) {
    if (this.over) return
    await new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#sleepers.delete(wake)
        resolve(undefined)
      }
      const timer = setTimeout(wake, ms)
      this.#sleepers.add(wake)
    })
  }

  /** One command through `execute`. @param {{ giveUpAfterMs?: number }} [how] */
  async execute({ giveUpAfterMs } = {}) {
    const operation = this.#recorder.begin('execute')
    this.#line.join(operation, operation.asked)
    const patience = impatience(giveUpAfterMs)
    try {
      await this.#send((command) => {
        return this.pool.execute(command, patience.signal ? { signal: patience.signal } : {})
      })
      this.#referee.counted.executed++
      this.#end(operation)
    } catch (error) {
      this.#end(operation, error)
    } finally {
      patience.end()
    }
    this.#line.leave(operation, Number(operation.ended))
    this.#referee.look()
  }

  /**
   * Acquires, works, and gives back.
   * @param {(held: Held) => unknown} [work]
   * @param {object} [how]
   * @param {'acquire' | 'use'} [how.by]
   * @param {'release' | 'discard' | 'recycle' | 'twice'} [how.end] how it is given back; by `acquire` only
   * @param {number} [how.giveUpAfterMs] its caller waits no longer for it
   * @param {boolean} [how.inOrder] its turn must not be later than that of callers who asked after it
   */
  async hold(work = () => {}, how = {}) {
    const { by = 'acquire', giveUpAfterMs, inOrder = false } = how
    const operation = this.#recorder.begin('hold')
    this.#line.join(operation, operation.asked)
    const patience = impatience(giveUpAfterMs)
    const options = patience.signal ? { signal: patience.signal } : {}
    const ticket = inOrder ? this.#tickets++ : undefined
    const held = (/** @type {import('..').PooledConnection} */ connection) =>
      this.#inHands(operation, connection, work, ticket)
    try {
      if (by === 'use') await this.#referee.follow(this.pool.use(held, options))
      else {
        const connection = await this.#referee.follow(this.pool.acquire(options))
        try {
          await held(connection)
        } finally {
          await this.#giveBack(connection, how.end)
        }
      }
      this.#end(operation)
    } catch (error) {
      this.#end(operation, error)
    } finally {
      patience.end()
    }
    this.#line.leave(operation, Number(operation.ended))
    this.#referee.look()
  }

  /** A connection at once and back again, if there is one. */
  async tryHold() {
    const asked = this.#recorder.now()
    const connection = this.pool.tryAcquire()
    if (connection === null) return
    const operation = this.#recorder.begin('hold')
    operation.asked = operation.turn = asked
    try {
      await this.#inHands(operation, connection, () => {})
      await this.#giveBack(connection)
      this.#end(operation)
    } catch (error) {
      this.#end(operation, error)
    }
  }

  /**
   * @param {import('./recorder').Operation} operation
   * @param {import('..').PooledConnection} connection
   * @param {(held: Held) => unknown} work
   * @param {number} [ticket]
   */
  async #inHands(operation, connection, work, ticket) {
    operation.got = this.#recorder.now()
    this.#referee.took(connection.id, ticket)
    try {
      const say = (busyMs = 0) => this.#send((command) => connection.execute(command), busyMs)
      await work({ connection, say })
    } finally {
      this.#referee.gave(connection.id)
      operation.freed = this.#recorder.now()
      this.#line.leave(operation, operation.freed)
    }
  }

  /** @param {import('..').PooledConnection} connection @param {string} [end] */
  async #giveBack(connection, end = 'release') {
    const referee = this.#referee
    if (end === 'discard')
      return referee.follow(connection.discard('the stress tool is done with it'))
    if (end === 'recycle') return referee.follow(this.pool.recycle(connection, async () => {}))
    await referee.follow(connection.release())
    if (end !== 'twice') return
    const code = await connection.release().then(
      () => 'no error',
      (error) => error.code,
    )
    referee.expect('oneHolder', code === 'ERR_POOL_NOT_HELD', () => `a second release gave ${code}`)
  }

  /**
   * @param {(command: import('..').Command) => Promise<import('..').Reply>} send
   * @param {number} [busyMs]
   */
  async #send(send, busyMs) {
    const { counted } = this.#referee
    const mark = this.#speech.mark()
    counted.sent++
    /** @type {import('..').Reply} */
    let reply
    try {
      reply = await this.#referee.follow(send(this.#speech.command(mark, busyMs)))
    } catch (error) {
      counted.uncertain++
      throw error
    }
    counted.answered++
    const complaint = this.#speech.complaint(reply, mark)
    if (this.#speech.hasMarks) {
      this.#referee.expect('ownReply', complaint?.kind !== 'foreign', () => `${complaint?.text}`)
      this.answered.push(mark)
    }
    if (complaint)
      throw Object.assign(new Error(complaint.text), { code: `reply ${complaint.kind}` })
  }

  /** @param {import('./recorder').Operation} operation @param {unknown} [error] */
  #end(operation, error) {
    if (error !== undefined && operation.got === undefined) this.#referee.counted.missed++
    if (error === undefined) this.#recorder.end(operation, 'ok')
    else if (error === GAVE_UP) this.#recorder.end(operation, 'gaveUp')
    else if (this.over) this.#recorder.end(operation, 'cut')
    else this.#recorder.end(operation, ...outcomeOf(error))
  }
}

/** @param {number} [afterMs] */
function impatience(afterMs) {
  if (afterMs === undefined) return { signal: undefined, end: () => {} }
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(GAVE_UP), afterMs)
  return { signal: controller.signal, end: () => clearTimeout(timer) }
}

module.exports = { Workload }
