'use strict'

/** One simulated Blender process: a main thread, a scene, a standard output, and its commands. */

const { COMMANDS } = require('./commands')
const { MainThread } = require('./main_thread')
const { Scene } = require('./scene')

/** The process's one standard output: whoever captures it gets everybody's lines. */
class Stdout {
  /** @type {string[] | null} */
  #captured = null

  get isCaptured() {
    return this.#captured !== null
  }

  /** @param {string} line */
  print(line) {
    this.#captured?.push(`${line}\n`)
  }

  capture() {
    this.#captured = []
  }

  release() {
    const text = (this.#captured ?? []).join('')
    this.#captured = null
    return text
  }
}

class Blender {
  scene = new Scene()
  stdout = new Stdout()
  /** @type {Set<() => void>} */
  #holds = new Set()
  #row
  #switches

  /**
   * @param {object} parts
   * @param {import('./dialects').Dialect} parts.row
   * @param {import('./index').Switches} parts.switches
   * @param {number} parts.beatMs
   * @param {import('./clock').Clock} parts.clock
   * @param {import('./clock').Gate} parts.gate
   * @param {() => void} parts.quit
   */
  constructor({ row, switches, beatMs, clock, gate, quit }) {
    this.#row = row
    this.#switches = switches
    this.clock = clock
    this.quit = quit
    this.mainThread = new MainThread({ beatMs, clock, gate })
  }

  /**
   * @param {string} name
   * @param {any} params
   * @returns {Promise<unknown>}
   */
  async run(name, params) {
    const { aliases, unknown } = this.#row
    const known = aliases[name] ?? name
    if (!Object.hasOwn(COMMANDS, known) || (known === 'ping' && !this.#switches.knowsPing)) {
      throw new Error(unknown(name))
    }
    if (params === null && this.#switches.refusesNullParams) {
      throw new Error(`${name}() argument after ** must be a mapping, not NoneType`)
    }
    return COMMANDS[known](params ?? {}, this)
  }

  /** @param {import('./commands').Call[]} calls */
  async executeCode(calls) {
    if (this.stdout.isCaptured) throw new Error('execute_code cannot run inside execute_code')
    this.stdout.capture()
    /** @type {unknown} */
    let value
    let stdout = ''
    try {
      for (const { command, params } of calls) value = await this.run(command, params)
    } catch (error) {
      throw new Error(`Code execution error: ${/** @type {Error} */ (error).message}`)
    } finally {
      stdout = this.stdout.release()
    }
    return this.#row.executed({ value, stdout })
  }

  /** @returns {Promise<void>} once release() is called: a busy Blender without a clock */
  hold() {
    return new Promise((resolve) => {
      this.#holds.add(resolve)
    })
  }

  release() {
    for (const end of this.#holds) end()
    this.#holds.clear()
  }

  loadFile() {
    this.scene = new Scene()
    if (this.#switches.loadFileDropsQueue) this.mainThread.dropQueued()
  }

  stop() {
    this.mainThread.stop()
    this.release()
  }
}

module.exports = { Blender }
