// @ts-check
'use strict'
// JavaScript's side of the shelf: idle slots that it takes and puts back by one compare-and-swap each, without
// calling native code. What is there to take, and whether anything is, native code says; `src/pool/shelf.rs` has the
// layout and the proof, and the two must be read together.

const { shelf: layout } = require('./tables')
const { turn } = require('./turn')

const { at, slotsPerWord, notes: NOTES } = layout
const FULL = 1 << 30
/** The low bit of each slot's two: on the shelf, if the high one is 0, and it is never both. */
const LOW_BITS = 0x15555555
const ON_SHELF = 1
const IN_HAND = 2

/** The word of each slot, and the place of its bits in it. */
const wordOf = Uint8Array.from({ length: layout.slots }, (_, slot) =>
  Math.floor(slot / slotsPerWord),
)
const bitOf = Uint8Array.from({ length: layout.slots }, (_, slot) => 2 * (slot % slotsPerWord))

const WAIT = 0
const USE = 1
const START = 2
/** What is left of an allowance of starts is the low half of its word. */
const STARTS = 0xffff

class Shelf {
  /** What was taken last: its slot, and the generation of the hold. */
  slot = -1
  generation = 0
  #native
  #words
  #times
  #takesNewest
  #maxUses
  #isRated
  #lastWord
  /** Starts of this turn that no rate counts. */
  #starts = 0
  /** Holds that began and ended within this turn. */
  #holds = 0
  /** Callers who got a slot that another had in this turn, and how many waited at each of those moments, summed up. */
  #passes = 0
  #queued = 0
  #willTell = false

  /**
   * @param {import('./binding').NativePool} native
   * @param {ArrayBuffer} memory
   * @param {Record<string, any>} values the pool's options
   */
  constructor(native, memory, { idleOrder, maxUses, requestsPerSecond, requestsPerMinute }) {
    this.#native = native
    this.#words = new Int32Array(memory)
    this.#times = new Float64Array(memory)
    this.#takesNewest = idleOrder !== 'fifo'
    this.#maxUses = maxUses ?? Infinity
    this.#isRated = requestsPerSecond > 0 || requestsPerMinute > 0
    this.#lastWord = Math.ceil(layout.slots / slotsPerWord) - 1
  }

  /**
   * Takes an idle slot; `slot` and `generation` say which. False: native code must be asked.
   * @param {number} [count] where it counts
   */
  take(count = at.taken) {
    const words = this.#words
    let slot = words[at.hint]
    let word = wordOf[slot]
    let seen = words[word]
    if (seen < 0) return false
    if (((seen >> bitOf[slot]) & 3) !== ON_SHELF || !this.#takesNewest) {
      slot = this.#search()
      if (slot < 0) return false
      word = wordOf[slot]
      seen = words[word]
      if (seen < 0 || ((seen >> bitOf[slot]) & 3) !== ON_SHELF) return false
    }
    const generation = words[at.generation + slot]
    this.#times[at.touched + slot] = turn.at || turn.begin()
    if (this.#isRated && !this.#mayStart()) return false
    const taken = seen ^ (3 << bitOf[slot])
    if (Atomics.compareExchange(words, word, seen, taken) !== seen) return this.#notTaken()
    this.slot = slot
    this.generation = generation
    // It only ever grows: native code may look between any two instructions.
    words[count]++
    // It stood still between two instructions while the slot was closed and opened again.
    if (words[at.generation + slot] !== generation && !this.#isOurs(slot)) return this.#notTaken()
    words[at.uses + slot]++
    return true
  }

  /**
   * Takes one for who has waited here.
   * @param {number} waitedMs
   */
  takeFor(waitedMs) {
    // What was waited for counts with how long that took.
    if (!this.take(at.passed)) return false
    this.#note(WAIT, waitedMs, 1)
    return true
  }

  /**
   * Puts a slot back. False: native code must be asked.
   * @param {number} slot
   * @param {number} generation
   * @param {number} since when it was taken, by the clock of the turn
   */
  putBack(slot, generation, since) {
    const words = this.#words
    const word = wordOf[slot]
    const seen = words[word]
    if (!this.#mayPutBack(seen, slot, generation)) return false
    const now = turn.at || turn.begin()
    const rank = words[at.ranks] + 1
    words[at.ranks] = rank
    words[at.rank + slot] = rank
    words[at.hint] = slot
    this.#times[at.touched + slot] = now
    if (Atomics.compareExchange(words, word, seen, seen ^ (3 << bitOf[slot])) !== seen) return false
    words[at.returned]++
    this.#noteUse(now, since)
    return true
  }

  /**
   * Passes a slot on from one holder to the next. False: native code must be asked.
   * @param {number} slot
   * @param {number} generation
   * @param {number} since when it was taken, by the clock of the turn
   * @param {number} askedAt when the next holder asked for one, by the same clock
   * @param {number} waiting how many wait for one
   */
  passOn(slot, generation, since, askedAt, waiting) {
    const words = this.#words
    if (!this.#mayPutBack(words[wordOf[slot]], slot, generation)) return false
    if (this.#isRated && !this.#mayStart()) return false
    const now = turn.at || turn.begin()
    this.#times[at.touched + slot] = now
    words[at.returned]++
    words[at.passed]++
    words[at.uses + slot]++
    this.#noteUse(now, since)
    if (askedAt === now) {
      this.#passes++
      this.#queued += waiting
    } else {
      this.#note(WAIT, now - askedAt, 1)
    }
    return true
  }

  /** What a slot was taken for has started. */
  started() {
    if (this.#isRated) {
      this.#note(START, performance.now(), 1)
      return
    }
    this.#starts++
    this.#tellLater()
  }

  /** Whether all there is to be had is in somebody's hand here: native code could do nothing for one more. */
  get isFull() {
    // Not past `waiting`: an ordinary look may be taken before the count is seen.
    const first = Atomics.load(this.#words, 0)
    if (first < 0 || (first & FULL) === 0 || (first & LOW_BITS) !== 0) return false
    for (let word = 1; word <= this.#lastWord; word++) {
      const seen = Atomics.load(this.#words, word)
      // Beyond the pool's last slot the words are never opened.
      if (seen < 0) break
      if ((seen & LOW_BITS) !== 0) return false
    }
    return true
  }

  /** Whether those who wait in native code may as well wait here. */
  get isOffered() {
    const seen = this.#words[0]
    return seen < 0 && (seen & FULL) !== 0
  }

  /**
   * Tells how many wait here. Look whether it is full only after that: native code looks the other way round.
   * @param {number} count
   */
  waiting(count) {
    Atomics.store(this.#words, at.waiting, count)
  }

  /**
   * How often what a slot holds was used before.
   * @param {number} slot in hand
   */
  useCount(slot) {
    return this.#words[at.base + slot] + this.#words[at.uses + slot] - 1
  }

  /**
   * The number of what a slot holds, modulo 2 ** 32.
   * @param {number} slot in hand
   */
  idOf(slot) {
    return this.#words[at.id + slot]
  }

  /** @param {number} ms how long the turn was */
  turnEnded(ms) {
    this.#willTell = false
    // What happened within one turn had no clock of its own: the turn's time is shared out evenly.
    if (this.#starts > 0) this.#note(START, turn.at || performance.now(), this.#starts)
    if (this.#holds > 0) this.#note(USE, ms / this.#holds, this.#holds)
    // Little's law: as many as waited on average, over as many as were served in that time.
    if (this.#passes > 0) {
      this.#note(WAIT, ((this.#queued / this.#passes) * ms) / this.#passes, this.#passes)
    }
    this.#starts = 0
    this.#holds = 0
    this.#passes = 0
    this.#queued = 0
  }

  /** Tells native code all that it does not know yet. */
  settle() {
    if (this.#willTell) this.turnEnded(performance.now() - turn.at)
  }

  /**
   * @param {number} seen
   * @param {number} slot
   * @param {number} generation
   */
  #mayPutBack(seen, slot, generation) {
    const words = this.#words
    return (
      seen >= 0 &&
      ((seen >> bitOf[slot]) & 3) === IN_HAND &&
      words[at.generation + slot] === generation &&
      words[at.base + slot] + words[at.uses + slot] < this.#maxUses
    )
  }

  /** The idle slot that was used last, or longest ago, as the pool is told; -1: none. */
  #search() {
    const words = this.#words
    const now = words[at.ranks]
    let found = -1
    let best = 0
    for (let word = 0; word <= this.#lastWord; word++) {
      const seen = words[word]
      if (seen < 0) {
        // Beyond the pool's last slot the words are never opened.
        if (word > 0) break
        return -1
      }
      for (let idle = seen & LOW_BITS; idle !== 0; idle &= idle - 1) {
        const slot = word * slotsPerWord + ((31 - Math.clz32(idle & -idle)) >> 1)
        const age = (now - words[at.rank + slot]) >>> 0
        if (found < 0 || (this.#takesNewest ? age < best : age > best)) {
          found = slot
          best = age
        }
      }
    }
    return found
  }

  /** Takes one start off what native code allows within the rate. */
  #mayStart() {
    const words = this.#words
    const seen = words[at.allowance]
    if ((seen & STARTS) === 0) return false
    return Atomics.compareExchange(words, at.allowance, seen, seen - 1) === seen
  }

  /** There was a start left, but no slot any more. */
  #notTaken() {
    if (this.#isRated) this.#native.turnBack()
    return false
  }

  /** @param {number} slot */
  #isOurs(slot) {
    const lease = this.#native.holdInHand(slot)
    if (lease === null) return false
    this.generation = lease[1]
    return true
  }

  /**
   * @param {number} now
   * @param {number} since
   */
  #noteUse(now, since) {
    if (since !== now) this.#note(USE, now - since, 1)
    else this.#holds++
    this.#tellLater()
  }

  #tellLater() {
    if (this.#willTell) return
    this.#willTell = true
    turn.tell(this)
  }

  /**
   * @param {number} what
   * @param {number} ms
   * @param {number} count
   */
  #note(what, ms, count) {
    const words = this.#words
    // Any call makes native code read them.
    if (((words[at.written] - words[at.read]) | 0) >= NOTES) this.#native.state()
    const note = at.notes + 3 * ((words[at.written] >>> 0) % NOTES)
    this.#times[note] = what
    this.#times[note + 1] = ms
    this.#times[note + 2] = count
    Atomics.add(words, at.written, 1)
  }
}

/**
 * @param {import('./binding').NativePool} native
 * @param {Record<string, any>} values the pool's options
 * @returns {Shelf | null} null for a pool that must be called each time
 */
function makeShelf(native, values) {
  const memory = native.makeShelf(performance.now())
  return memory === null ? null : new Shelf(native, memory, values)
}

module.exports = { Shelf, makeShelf }
