// @ts-check
'use strict'
// What is seen while it runs, on stderr: on a terminal a bar that is drawn again and again, anywhere else a line
// when a scenario begins and one when it ends.

const REDRAW_MS = 80
const WIDTH = 24
const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 }
const COLORS = /** @type {const} */ ({ good: 'green', warning: 'yellow', bad: 'red' })
const SIGNS = { good: '✓', warning: '!', bad: '✗' }

class Progress {
  #out
  #quiet
  #live
  #color
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  #title = ''
  #place = ''
  #drawn = false
  /** @type {(() => { done: number, expected: number, inUse: number, waiting: number, at: number }) | null} */
  #look = null

  /** @param {NodeJS.WriteStream} out @param {boolean} quiet */
  constructor(out, quiet) {
    this.#out = out
    this.#quiet = quiet
    this.#live = Boolean(out.isTTY) && process.env.TERM !== 'dumb' && !quiet
    this.#color = Boolean(out.isTTY) && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  }

  /** A line that stays. @param {string} line */
  note(line) {
    if (!this.#quiet) this.say(line)
  }

  /** The same, however quiet it is to be. @param {string} line */
  say(line) {
    this.#erase()
    this.#out.write(`${line}\n`)
  }

  /** @param {keyof typeof CODES} color @param {string} text */
  ink(color, text) {
    return this.#color ? `\x1b[${CODES[color]}m${text}\x1b[0m` : text
  }

  /** @param {import('./verdict').Level | null} level */
  sign(level) {
    return level === null ? this.ink('dim', '-') : this.ink(COLORS[level], SIGNS[level])
  }

  /** @param {string} title @param {number} place @param {number} of */
  begin(title, place, of) {
    this.#title = title
    this.#place = `${place}/${of}`
    this.#look = null
    if (!this.#live) this.note(`[${this.#place}] ${title} ...`)
  }

  /** @param {import('./recorder').Recorder} record @param {import('..').ConnectionPool} pool */
  during(record, pool) {
    if (!this.#live) return
    this.#look = () => {
      const { inUse, waiting } = pool.stats()
      return { done: record.done, expected: record.expected, inUse, waiting, at: record.now() }
    }
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS)
    this.#out.write('\x1b[?25l')
    this.#draw()
  }

  /** @param {import('./play').Played} played */
  end({ title, verdict, figures, timed, interrupted, checks }) {
    this.#stop()
    const { operations, ownMeanMs, latency } = figures
    const own = timed ? `own ${ownMeanMs.toFixed(2)} ms` : ''
    const counts = `${operations} operations, ${Math.round(figures.operationsPerSecond)}/s`
    const line = `${title.padEnd(26)} ${counts.padEnd(28)} ${own.padEnd(13)} p99 ${latency.answer.p99.toFixed(1)} ms`
    this.note(`  ${this.sign(verdict.level)} ${line}${interrupted ? '  interrupted' : ''}`)
    for (const { level, text, advice } of verdict.reasons) {
      if (level === 'good') continue
      this.note(`      ${this.ink(COLORS[level], text)}`)
      if (advice) this.note(`      ${advice}`)
    }
    for (const { title: check, unmade } of checks) {
      if (unmade) this.note(`      – ${check.split(':')[0]}: ${unmade}`)
    }
  }

  #stop() {
    clearInterval(this.#timer)
    if (this.#look === null) return
    this.#look = null
    this.#erase()
    this.#out.write('\x1b[?25h')
  }

  /** Leaves the terminal as it was. */
  close() {
    this.#stop()
  }

  #erase() {
    if (this.#drawn) this.#out.write('\r\x1b[2K')
    this.#drawn = false
  }

  #draw() {
    if (this.#look === null) return
    const { done, expected, inUse, waiting, at } = this.#look()
    const share = expected === 0 ? 0 : Math.min(1, done / expected)
    const full = Math.round(share * WIDTH)
    const bar = this.ink('cyan', '█'.repeat(full)) + this.ink('dim', '░'.repeat(WIDTH - full))
    const count = `${String(done).padStart(5)} done  ${inUse} in use  ${waiting} waiting`
    const wide = (this.#out.columns || 80) > 100
    const time = `${(at / 1000).toFixed(1)} s`
    const title = this.#title.slice(0, 24).padEnd(24)
    this.#erase()
    this.#out.write(`  ${this.#place} ${title} ${bar}${wide ? ` ${count}  ${time}` : ` ${time}`}`)
    this.#drawn = true
  }
}

module.exports = { Progress }
