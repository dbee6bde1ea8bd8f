// @ts-check
'use strict'
// The process in which `simulated.js` runs, seen from here: requests and their answers, and its end.

const { fork } = require('node:child_process')
const path = require('node:path')

class SimulatorProcess {
  #process
  #exited
  #asked = 0
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map()

  constructor() {
    this.#process = fork(path.join(__dirname, 'simulated.js'), {
      // What a test runner or a debugger gives its own processes is of no use there.
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#process.on('message', (/** @type {any} */ { id, value, error }) => {
      const waiter = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiter?.resolve(value)
      else waiter?.reject(new Error(`the simulator: ${error}`))
    })
    this.#exited = new Promise((resolve) => {
      const gone = (/** @type {unknown} */ why) => {
        const error = new Error(`the simulator's process ended (${why})`)
        for (const { reject } of this.#waiting.values()) reject(error)
        this.#waiting.clear()
        resolve(undefined)
      }
      this.#process.once('exit', gone)
      this.#process.once('error', gone)
    })
  }

  /** @param {string} request @param {object} [given] @returns {Promise<any>} */
  ask(request, given) {
    return new Promise((resolve, reject) => {
      const id = ++this.#asked
      this.#waiting.set(id, { resolve, reject })
      this.#process.send({ id, request, given }, (error) => error && reject(error))
    })
  }

  async stop() {
    if (this.#process.connected) this.#process.disconnect()
    await this.#exited
  }
}

module.exports = { SimulatorProcess }
