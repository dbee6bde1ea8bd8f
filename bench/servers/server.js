// @ts-check
'use strict'
// A server of this folder in a process of its own, for one that shares the event loop with its client
// is measured along with it. It ends with the process that started it, however that ends.

const { fork } = require('node:child_process')
const { once } = require('node:events')
const { join } = require('node:path')

const HOST = '127.0.0.1'

class Server {
  #child
  #lastId = 0
  /** @type {Map<number, (value: any) => void>} */
  #asked = new Map()

  /**
   * @param {import('node:child_process').ChildProcess} child
   * @param {number} port
   */
  constructor(child, port) {
    this.#child = child
    this.host = HOST
    this.port = port
    this.address = `${HOST}:${port}`
    child.on('message', (/** @type {any} */ { id, value }) => {
      this.#asked.get(id)?.(value)
      this.#asked.delete(id)
    })
  }

  /**
   * @param {string} request one of the server's own
   * @param {unknown} [given]
   * @returns {Promise<any>}
   */
  ask(request, given) {
    const id = ++this.#lastId
    return new Promise((resolve) => {
      this.#asked.set(id, resolve)
      this.#child.send({ id, request, given })
    })
  }

  async stop() {
    if (!this.#child.connected) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }
}

/**
 * @param {'echo' | 'scene'} name
 * @returns {Promise<Server>}
 */
async function startServer(name) {
  const child = fork(join(__dirname, `${name}.js`), { execArgv: [] })
  const [first] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (first?.listening === undefined) throw new Error(`The ${name} server ended with ${first}.`)
  return new Server(child, first.listening)
}

module.exports = { Server, startServer }
