'use strict'

/**
 * What is seen while the demo runs. On a terminal the lower lines are drawn again and again, a bar and
 * one line for each connection; anywhere else there is a line now and then.
 */

const { stripVTControlCharacters } = require('node:util')
const { inkFor } = require('./ink.js')

const REDRAW_MS = 60
const PLAIN_MS = 1000
const BAR = 28
const COLORS = { idle: 'green', inUse: 'cyan', unusable: 'red' }

class Screen {
  #out
  #ink
  #live
  #timer
  /** @type {import('..').ConnectionPool | null} */
  #pool = null
  #title = ''
  #began = performance.now()
  #done = 0
  #expected = 0
  /** @type {Map<number, string>} */
  #doing = new Map()
  #drawn = 0

  /** @param {NodeJS.WriteStream} out */
  constructor(out) {
    this.#out = out
    this.#ink = inkFor(out)
    this.#live = Boolean(out.isTTY) && process.env.TERM !== 'dumb'
  }

  /** @param {import('..').ConnectionPool} pool */
  show(pool) {
    this.#pool = pool
    this.#timer = setInterval(() => this.#draw(), this.#live ? REDRAW_MS : PLAIN_MS)
    if (this.#live) this.#out.write('\x1b[?25l')
  }

  /** A part of the demo begins. @param {string} title */
  begin(title) {
    this.#title = title
    this.#began = performance.now()
    this.#done = 0
    this.#expected = 0
    if (this.#live) this.#draw()
    else this.note(title)
  }

  /** @param {number} commands more than were expected */
  expect(commands) {
    this.#expected += commands
  }

  step() {
    this.#done += 1
  }

  /** What a connection is used for. @param {number} connectionId @param {string} what */
  doing(connectionId, what) {
    this.#doing.set(connectionId, what)
  }

  /** A line that stays. */
  note(line = '') {
    this.#erase()
    this.#out.write(`${line}\n`)
    if (this.#live) this.#draw()
  }

  /** Nothing is drawn any more. */
  end() {
    clearInterval(this.#timer)
    this.#erase()
    if (this.#live && this.#pool) this.#out.write('\x1b[?25h')
    this.#pool = null
  }

  #draw() {
    if (this.#pool === null) return
    if (!this.#live) {
      this.#out.write(`${this.#plain(this.#pool)}\n`)
      return
    }
    const width = Math.max(20, this.#out.columns || 80)
    const lines = this.#lines(this.#pool).map((line) => cut(line, width - 1))
    this.#erase()
    this.#out.write(lines.map((line) => `${line}\n`).join(''))
    this.#drawn = lines.length
  }

  #erase() {
    if (this.#drawn > 0) this.#out.write(`\x1b[${this.#drawn}A\x1b[J`)
    this.#drawn = 0
  }

  /** @param {import('..').ConnectionPool} pool */
  #lines(pool) {
    const { waiting, max } = pool.stats()
    const seconds = ((performance.now() - this.#began) / 1000).toFixed(1)
    const share = this.#expected === 0 ? 0 : this.#done / this.#expected
    const full = Math.round(share * BAR)
    const bar = this.#ink('cyan', '#'.repeat(full)) + this.#ink('dim', '.'.repeat(BAR - full))
    const count = this.#expected === 0 ? '' : `${this.#done}/${this.#expected}`
    const connections = pool.connections()
    const rows = connections.map(({ id, state, useCount }) => {
      const color = /** @type {any} */ (COLORS[state] ?? 'yellow')
      const doing = state === 'unusable' ? 'its caller is gone: draining' : this.#doing.get(id)
      const shown = state === 'idle' ? '' : (doing ?? '')
      const uses = this.#ink('dim', `used ${useCount} times`.padStart(16))
      return `  #${`${id}`.padEnd(4)}${this.#ink(color, state.padEnd(13))}${shown.padEnd(30)}${uses}`
    })
    while (rows.length < max) rows.push(this.#ink('dim', '  -    empty'))
    return [
      '',
      `  ${this.#ink('bold', this.#title)}`,
      `  ${bar}  ${count.padEnd(9)}${`${waiting} waiting`.padEnd(14)}${seconds} s`,
      ...rows,
    ]
  }

  /** @param {import('..').ConnectionPool} pool */
  #plain(pool) {
    const done = this.#expected === 0 ? '' : `${this.#done}/${this.#expected} commands, `
    const seconds = Math.round((performance.now() - this.#began) / 1000)
    const states = pool.connections().map(({ id, state }) => `#${id} ${state}`)
    return `  ... ${seconds} s, ${done}${pool.stats().waiting} waiting; ${states.join(', ')}`
  }
}

/** A line longer than the terminal would wrap, and be erased wrong. */
function cut(line, width) {
  return stripVTControlCharacters(line).length <= width
    ? line
    : stripVTControlCharacters(line).slice(0, width)
}

module.exports = { Screen }
