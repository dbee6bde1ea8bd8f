'use strict'

/** What happened, counted by the callers themselves; the pool's own figures are beside it. */

class Ledger {
  commands = 0
  failures = 0
  wrong = 0
  /** Callers, in the order in which they asked for a connection, and in which they got one. */
  asked = []
  served = []
  /** Milliseconds of every command, and of every wait for a connection. */
  commandMs = []
  waitMs = []
  peak = 0
  #open = new Set()

  /** @param {import('..').ConnectionPool} pool */
  watch(pool) {
    pool.on('connectionCreated', ({ connectionId }) => {
      this.#open.add(connectionId)
      this.peak = Math.max(this.peak, this.#open.size)
    })
    pool.on('connectionClosed', ({ connectionId }) => this.#open.delete(connectionId))
  }

  /**
   * Times one command.
   * @template T
   * @param {() => Promise<T>} run
   */
  async command(run) {
    const began = performance.now()
    this.commands += 1
    try {
      return await run()
    } catch (error) {
      this.failures += 1
      throw error
    } finally {
      this.commandMs.push(performance.now() - began)
    }
  }

  /** How many callers were served before one who had asked earlier. */
  get overtakes() {
    let last = -1
    let overtakes = 0
    for (const caller of this.served) {
      const place = this.asked.indexOf(caller)
      if (place < last) overtakes += 1
      else last = place
    }
    return overtakes
  }
}

/** @param {number[]} values @param {number} share 0 to 1 */
function percentile(values, share) {
  if (values.length === 0) return 0
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]
}

module.exports = { Ledger, percentile }
