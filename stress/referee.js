// @ts-check
'use strict'
// The race checks. The referee is told of every step of every caller, looks at the pool's own word for it at each
// of them, and compares the two; at the end it counts the slots by taking them all. It never helps the pool.

const { Checks } = require('./checks')
const { UNREACHABLE } = require('./presence')

const REST_MS = 7000
const STATES = new Set(['created', 'initializing', 'idle', 'inUse', 'unusable', 'closed'])
class Referee {
  #pool
  #max
  #restMs
  #checks = new Checks()
  /** Connections that callers hold. @type {Set<number>} */
  #held = new Set()
  /** Connections that are out, by the pool's events. @type {Set<number>} */
  #out = new Set()
  #open = new Set()
  /** Of each promise that was asked for, how often it settled. @type {Map<object, number>} */
  #pending = new Map()
  #lastServed = -1
  /** Slots that were not there in the end. @type {string[] | null} */
  #missing = null
  #unreachable = false
  /**
   * Counted outside: what the pool's totals are compared with. `held`: connections that callers had; `checkedOut`
   * and `checkedIn`: events, of plain commands too; `missed`: calls whose caller was told of an error when it may
   * just have been served; `uncertain`: commands of which it is not known whether they were sent.
   */
  counted = {
    held: 0,
    missed: 0,
    checkedOut: 0,
    checkedIn: 0,
    executed: 0,
    sent: 0,
    answered: 0,
    uncertain: 0,
  }
  #onUnhandled = (/** @type {any} */ error) =>
    this.expect('noUnhandled', false, () => String(error?.stack ?? error).split('\n')[0])

  /**
   * @param {import('..').ConnectionPool} pool
   * @param {number} max
   * @param {number} [restMs] how long what is under way may take to come to rest, and a slot to be acquired
   */
  constructor(pool, max, restMs = REST_MS) {
    this.#pool = pool
    this.#max = max
    this.#restMs = restMs
    this.#watch(pool)
    process.on('unhandledRejection', this.#onUnhandled)
    process.on('uncaughtException', this.#onUnhandled)
  }

  /** @param {import('..').ConnectionPool} pool */
  #watch(pool) {
    pool.on('connectionCreated', ({ connectionId }) => {
      this.#open.add(connectionId)
      const open = this.#open.size
      this.expect('withinMax', open <= this.#max, () => `${open} connections told of as open`)
    })
    pool.on('connectionClosed', ({ connectionId }) => this.#open.delete(connectionId))
    pool.on('connectionCheckedOut', ({ connectionId }) => {
      this.counted.checkedOut++
      this.expect('oneHolder', !this.#out.has(connectionId), () => {
        return `connection ${connectionId} was checked out twice without coming back`
      })
      this.#out.add(connectionId)
    })
    pool.on('connectionCheckedIn', ({ connectionId }) => {
      this.counted.checkedIn++
      this.#out.delete(connectionId)
    })
  }

  /** @type {Checks['expect']} */
  expect(name, holds, found) {
    this.#checks.expect(name, holds, found)
  }

  /**
   * Looks on while a promise of the pool settles.
   * @template T
   * @param {PromiseLike<T>} promise
   * @returns {Promise<T>}
   */
  follow(promise) {
    const call = {}
    this.#pending.set(call, 0)
    const settled = () => {
      const times = (this.#pending.get(call) ?? 1) + 1
      this.expect('settledOnce', times === 1, () => 'a call settled a second time')
      this.#pending.delete(call)
    }
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => {
          settled()
          resolve(value)
        },
        (error) => {
          settled()
          reject(error)
        },
      )
    })
  }

  /** Calls that have not settled yet. */
  get pending() {
    return this.#pending.size
  }

  /** A caller has a connection from now on. @param {number} id @param {number} [ticket] its place among those who asked */
  took(id, ticket) {
    this.counted.held++
    this.expect('oneHolder', !this.#held.has(id), () => `connection ${id} has a second holder`)
    this.#held.add(id)
    if (ticket !== undefined) {
      // So many are served at the same moment, and may be told of it in any order.
      this.expect('inOrder', ticket >= this.#lastServed - this.#max, () => {
        return `caller ${ticket} was served after caller ${this.#lastServed}`
      })
      this.#lastServed = Math.max(ticket, this.#lastServed)
    }
    this.look()
  }

  /** @param {number} id */
  gave(id) {
    this.#held.delete(id)
  }

  /** What the pool says of itself at this moment. */
  look() {
    const stats = this.#pool.stats()
    const { total, idle, inUse, connecting, unusable } = stats
    const open = this.#pool.connections().filter(({ state }) => state !== 'closed')
    const most = Math.max(total, open.length, this.#out.size, inUse)
    this.expect('withinMax', most <= this.#max, () => `${most} of ${this.#max} allowed`)
    const sum = idle + inUse + connecting + unusable
    this.expect('statesAgree', sum === total, () => `the states add up to ${sum}, not ${total}`)
    const ids = new Set(open.map(({ id }) => id))
    const known = open.every(({ state }) => STATES.has(state)) && ids.size === open.length
    this.expect('statesAgree', known, () => `connections(): ${JSON.stringify(open)}`)
    const { raceDetected } = stats
    this.expect('statesAgree', raceDetected === 0, () => `raceDetected is ${raceDetected}`)
    return stats
  }

  /**
   * Callers are done and nothing is under way: are all slots there, and do the totals agree? What is missing is held
   * against the pool by `judgeSlots`, when it is known whether Blender was there.
   */
  async finish() {
    this.settled(this.pending)
    const stats = await this.#atRest()
    const { inUse, connecting, unusable, waiting } = stats
    const stuck = inUse + connecting + unusable + waiting
    const missing = []
    if (stuck > 0 || this.#held.size > 0) {
      missing.push(
        `at rest: ${inUse} in use, ${connecting} connecting, ${unusable} unusable, ${waiting} waiting`,
      )
    }
    this.#compareTotals(stats)
    missing.push(...(await this.#countSlots()))
    this.#missing = missing
  }

  /** @param {number} pending calls that have not settled when they should have */
  settled(pending) {
    this.expect('settledOnce', pending === 0, () => `${pending} calls never settled`)
  }

  /** Whether a Blender that is not there would explain what is missing. */
  get doubtful() {
    return this.#missing !== null && this.#missing.length > 0
  }

  /** @param {boolean} present whether Blender was there */
  judgeSlots(present) {
    if (!present) return this.#checks.leave('noSlotLost', 'Blender was not there at the end')
    if (this.#missing === null) return
    if (this.#unreachable) {
      return this.#checks.leave('noSlotLost', 'Blender could not be reached at the end')
    }
    const [found = ''] = this.#missing
    this.expect('noSlotLost', this.#missing.length === 0, () => found)
  }

  /** @param {import('..').PoolStats} stats */
  #compareTotals(stats) {
    const { total, created, acquired, released, commands } = stats
    const { held, missed, checkedOut, checkedIn, executed, answered, uncertain } = this.counted
    const closed = Object.values(stats.closed).reduce((sum, count) => sum + count, 0)
    const served = held + executed
    const wanted = /** @type {[string, number, number, number][]} */ ([
      ['acquired', acquired, held, held + missed],
      // One that broke in its holder's hands is not counted as given back.
      ['released', released, acquired - stats.closed.error, acquired],
      ['created, less closed', created - closed, total, total],
      ['commands', commands, answered, answered + uncertain],
      ['connectionCheckedOut events', checkedOut, served, served + missed],
      ['connectionCheckedIn events', checkedIn, checkedOut, checkedOut],
    ])
    for (const [name, said, least, most] of wanted) {
      this.expect('totals', said >= least && said <= most, () => {
        return `${name}: the pool says ${said}, counted ${least === most ? least : `${least} to ${most}`}`
      })
    }
  }

  /** Waits until nothing is under way; a reply that nobody waits for is still read for a while. */
  async #atRest() {
    const until = performance.now() + this.#restMs
    for (;;) {
      const stats = this.look()
      const busy = stats.inUse + stats.connecting + stats.unusable + stats.waiting
      const { checkedOut, checkedIn, held, executed } = this.counted
      const told = checkedOut === checkedIn && checkedOut >= held + executed
      if ((busy === 0 && told) || performance.now() > until) return stats
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Every slot the pool may have, held at the same time. @returns {Promise<string[]>} what is missing */
  async #countSlots() {
    const wanted = Math.min(
      this.#max,
      this.#pool.endpoints().reduce((sum, { max }) => sum + max, 0),
    )
    const asked = Array.from({ length: wanted }, () =>
      this.follow(this.#pool.acquire({ timeoutMs: this.#restMs })),
    )
    const got = await Promise.allSettled(asked)
    const held = got.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const different = new Set(held.map(({ id }) => id)).size
    this.#unreachable = got.some(
      (one) => one.status === 'rejected' && UNREACHABLE.has(one.reason?.code),
    )
    await Promise.allSettled(held.map((connection) => connection.release()))
    if (different === wanted) return []
    return [`${different} of ${wanted} connections could be acquired at the end`]
  }

  /**
   * What the server saw of it.
   * @param {import('./endpoint').ServerFigures} server
   * @param {Iterable<string>} answered the marks of the commands that were answered
   */
  compare({ peak, runs, violations }, answered) {
    this.expect('serverSockets', peak <= this.#max, () => `${peak} of ${this.#max} allowed`)
    for (const mark of answered) {
      const times = runs[mark] ?? 0
      this.expect('ranOnce', times === 1, () => `${mark} was answered and ran ${times} times`)
    }
    for (const [mark, times] of Object.entries(runs)) {
      if (times > 1) this.expect('ranOnce', false, () => `${mark} ran ${times} times`)
    }
    for (const [kind, times] of Object.entries(violations)) {
      this.expect('ranOnce', false, () => `against the add-on's rules: ${kind}, ${times} times`)
    }
  }

  /** Looks no more, and tells what it found. */
  end() {
    process.off('unhandledRejection', this.#onUnhandled)
    process.off('uncaughtException', this.#onUnhandled)
    this.expect('noUnhandled', true, () => '')
    return this.#checks.all()
  }
}

module.exports = { Referee }
