'use strict'

/**
 * Pools with one defect each, made of the real one: for showing that whoever watches a pool would notice. Each
 * breaks its promise a few times and keeps it otherwise.
 */

const { ConnectionPool } = require('../..')

/** Strikes every so many times. */
const every = (count) => {
  let times = 0
  return () => ++times % count === 0
}

/** Hands the connection that somebody holds to somebody else. */
class TwoHolders extends ConnectionPool {
  #strikes = every(5)
  #last = null

  async acquire(options) {
    const connection = await super.acquire(options)
    if (this.#last?.inUse && this.#strikes()) {
      await super.release(connection)
      return this.#last
    }
    this.#last = connection
    return connection
  }
}

/** Gives two callers each other's reply. */
class MixedReplies extends ConnectionPool {
  #strikes = every(5)
  #first = null

  async execute(command, options) {
    const reply = await super.execute(command, options)
    if (this.#first) {
      const { give, own } = this.#first
      this.#first = null
      give(reply)
      return own
    }
    if (!this.#strikes()) return reply
    return new Promise((give) => {
      this.#first = { give, own: reply }
    })
  }
}

/** Opens one more than it may. */
class OneTooMany extends ConnectionPool {
  constructor(options) {
    super({ ...options, maxConnections: options.maxConnections + 1 })
  }
}

/** Loses a slot: one connection never comes back. What is garbage collected would, so it is kept. */
class LostSlot extends ConnectionPool {
  #strikes = every(7)
  #lost = null

  async acquire(options) {
    const connection = await super.acquire(options)
    if (this.#lost || !this.#strikes()) return connection
    this.#lost = connection
    // Like the real one, but for what its holder can do with it.
    return new Proxy(connection, {
      get: (target, name) => {
        if (name === 'release') return async () => {}
        const value = target[name]
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}

/** Forgets a caller: its promise never settles. */
class ForgottenCaller extends ConnectionPool {
  #strikes = every(7)

  execute(command, options) {
    const reply = super.execute(command, options)
    return this.#strikes() ? new Promise(() => {}) : reply
  }
}

/** Settles a call twice; a promise of the language cannot, so it gives another kind. */
class SettledTwice extends ConnectionPool {
  execute(command, options) {
    const reply = super.execute(command, options)
    return {
      // biome-ignore lint/suspicious/noThenProperty: this is what is wrong with it
      then: (done, failed) =>
        reply.then((value) => {
          done(value)
          done(value)
        }, failed),
    }
  }
}

/** Sends a command a second time after it was answered. */
class SentTwice extends ConnectionPool {
  #strikes = every(5)

  async execute(command, options) {
    const reply = await super.execute(command, options)
    return this.#strikes() ? super.execute(command, options) : reply
  }
}

/** Lets the caller that came last go first. */
class LastComeFirst extends ConnectionPool {
  #asked = 0

  acquire(options = {}) {
    return super.acquire({ ...options, priority: Math.min(100, this.#asked++) })
  }
}

/** Counts an acquire that never was. */
class WrongTotals extends ConnectionPool {
  stats() {
    const stats = super.stats()
    return { ...stats, acquired: stats.acquired + 1 }
  }
}

/** Shows a connection in use as idle. */
class WrongStates extends ConnectionPool {
  connections() {
    return super.connections().map((one) => ({ ...one, state: 'idle' }))
  }
}

module.exports = {
  ForgottenCaller,
  LastComeFirst,
  LostSlot,
  MixedReplies,
  OneTooMany,
  SentTwice,
  SettledTwice,
  TwoHolders,
  WrongStates,
  WrongTotals,
}
