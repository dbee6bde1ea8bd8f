'use strict'

/** One simulated Blender process: a main thread, a scene, a standard output, and its commands. */

const { COMMANDS } = require('./commands')
const { Refusal } = require('./dialects')
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
   * The command that the add-on means by a name, if any.
   *
   * @param {string} name
   * @returns {string | undefined}
   */
  known(name) {
    const { aliases } = this.#row
    const { ownNamesOnly, knowsPing } = this.#switches
    if (Object.hasOwn(aliases, name)) return aliases[name]
    if (ownNamesOnly && Object.values(aliases).includes(name)) return undefined
    if (name === 'ping' && !knowsPing) return undefined
    return Object.hasOwn(COMMANDS, name) ? name : undefined
  }

  /**
   * A client's command.
   *
   * @param {string} name
   * @param {any} params
   * @returns {Promise<unknown>}
   */
  async run(name, params) {
    const known = this.known(name)
    if (known === undefined) throw new Refusal(this.#row.unknown(name), { why: 'unknown' })
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
    /** @type {string | undefined} */
    let error
    try {
      for (const { command, params } of calls) value = await this.#perform(command, params)
    } catch (thrown) {
      value = undefined
      error = `Code execution error: ${/** @type {Error} */ (thrown).message}`
    }
    const stdout = this.stdout.release()
    if (error !== undefined && !this.#switches.codeErrorsSucceed) throw new Error(error)
    return this.#row.executed({ value, stdout, error })
  }

  /** A line of code, which goes by this simulator's names as well. @param {string} name @param {any} params */
  #perform(name, params) {
    if (!Object.hasOwn(COMMANDS, name)) return this.run(name, params)
    return COMMANDS[name](params ?? {}, this)
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
    if (this.#switches.deafAfterLoad) this.mainThread.deafen()
  }

  stop() {
    this.mainThread.stop()
    this.release()
  }
}

module.exports = { Blender }
