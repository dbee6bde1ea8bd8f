'use strict'

// Idle slots are lent and taken back in JavaScript where they can be, and by native code where they must be.
// Nobody can tell which: the order, the figures and the limits are the same, however callers come and go. What
// must be true is kept here beside the pool, and chance, which can be played again, decides what happens.

const { turn } = require('./support/arena')
const { Random } = require('./support/random')
const { workshop } = require('./support/workshop')

const STILL = { idleTimeoutMs: 0, maxLifetimeMs: 0 }

/** A pool that has opened all it may, none of which is ever validated or replaced. */
async function fullPool(max, options = {}) {
  const shop = workshop()
  const pool = shop.open({
    ...STILL,
    maxConnections: max,
    minConnections: max,
    maxConnecting: max,
    ...options,
  })
  await pool.warm()
  expect(pool.stats()).toMatchObject({ idle: max, total: max })
  return { shop, pool }
}

/** What its callers know of a pool that nothing happens to but what they do. */
class Book {
  calls = 0
  held = []
  /** Calls that wait, each with whatever turns it away. */
  waiting = new Map()
  gone = 0
  released = 0
  /** Plain callers in the order in which they were served, turn by turn: those of one turn hear of it at one time. */
  told = [[]]

  constructor(pool, max) {
    this.pool = pool
    this.max = max
  }

  /** @param {object} [options] @param {AbortController} [controller] */
  ask(options, controller) {
    const number = ++this.calls
    this.waiting.set(number, controller)
    const asked = options === undefined ? this.pool.acquire() : this.pool.acquire(options)
    return asked.then(
      (lease) => {
        // It had been served when it turned away.
        if (!this.waiting.delete(number)) this.gone--
        expect(this.held.map(({ resource }) => resource)).not.toContain(lease.resource)
        this.held.push(lease)
        if (options === undefined) this.told.at(-1).push(number)
      },
      (error) => {
        expect(error).toBe(controller?.signal.reason)
        expect(this.waiting.delete(number)).toBe(false)
      },
    )
  }

  async turn() {
    await turn()
    this.told.push([])
  }

  turnAway(number) {
    const controller = this.waiting.get(number)
    this.waiting.delete(number)
    this.gone++
    controller.abort()
  }

  async giveBack(at) {
    const [lease] = this.held.splice(at, 1)
    this.released++
    await lease.release()
  }

  /** The pool's figures, at this very moment. */
  check() {
    const { acquired, released, inUse, idle, waiting, raceDetected, aborted } = this.pool.stats()
    // Whoever turned away a moment before it was told has had a slot, and gives it back a moment later.
    const late = this.gone - aborted
    const wanted = this.held.length + this.waiting.size
    expect(inUse + waiting).toBeGreaterThanOrEqual(wanted)
    expect(inUse + waiting).toBeLessThanOrEqual(wanted + late)
    expect(inUse).toBe(Math.min(this.max, inUse + waiting))
    expect(idle).toBe(this.max - inUse)
    expect(raceDetected).toBe(0)
    expect(acquired - released).toBe(inUse)
    expect(released).toBeGreaterThanOrEqual(this.released)
    expect(released).toBeLessThanOrEqual(this.released + late)
  }
}

describe('whoever comes, and however', () => {
  test('callers who waited in different places hear in the order in which they came', async () => {
    const { pool } = await fullPool(3)
    const held = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    const told = []
    const asks = [undefined, { timeoutMs: 60_000 }, undefined].map(async (options, n) => {
      const lease = await pool.acquire(options)
      told.push(n)
      await lease.release()
    })
    for (const lease of held) await lease.release()
    await Promise.all(asks)
    expect(told).toEqual([0, 1, 2])
  })

  test.each([
    1, 2, 3, 4, 5, 6,
  ])('all are served once, plain callers in the order in which they came, and the figures are right at every moment (seed %i)', async (seed) => {
    const random = new Random(seed)
    const max = random.between(1, 5)
    const { pool } = await fullPool(max)
    const book = new Book(pool, max)
    const all = []
    for (let step = 0; step < 3_000; step++) {
      const busy = book.waiting.size
      switch (random.between(0, 11)) {
        case 0:
        case 1:
        case 2:
        case 3:
          if (busy < 40) all.push(book.ask())
          break
        case 4:
          if (busy < 40 && random.is(0.3)) {
            all.push(book.ask({ priority: random.between(-3, 3) }))
          }
          break
        case 5:
          if (busy < 40 && random.is(0.3)) all.push(book.ask({ timeoutMs: 60_000 }))
          break
        case 6: {
          const controller = new AbortController()
          if (seed % 2 === 0 && busy < 40 && random.is(0.3)) {
            all.push(book.ask({ signal: controller.signal }, controller))
          }
          break
        }
        case 7: {
          const may = [...book.waiting].filter(([, controller]) => controller !== undefined)
          if (may.length > 0 && random.is(0.5)) book.turnAway(random.of(may)[0])
          break
        }
        case 8: {
          const lease = pool.tryAcquire()
          expect(lease === null).toBe(book.held.length + busy >= max)
          if (lease !== null) book.held.push(lease)
          break
        }
        case 9:
          if (random.is(0.2)) book.check()
          break
        case 10:
          await book.turn()
          break
        default: {
          let count = random.between(0, book.held.length)
          while (count-- > 0) {
            const given = book.giveBack(random.between(0, book.held.length - 1))
            if (random.is(0.5)) await given
          }
        }
      }
    }
    while (book.waiting.size > 0 || book.held.length > 0) {
      if (book.held.length > 0) await book.giveBack(0)
      else await book.turn()
    }
    await Promise.all(all)
    book.check()
    const told = book.told.flatMap((numbers) => numbers.sort((a, b) => a - b))
    expect(told).toEqual([...told].sort((a, b) => a - b))
    const { acquired, released, aborted } = pool.stats()
    expect(acquired).toBe(released)
    expect(acquired).toBe(book.released + book.gone - aborted)
  })
})
