// @ts-check
'use strict'
// The client that is written by hand for the popular add-on, whose replies end nowhere in particular: with each
// piece that comes it tries to parse all there is. It gives up after a limit, for it takes the square of the size.

const net = require('node:net')

class ParsePerChunkClient {
  #socket
  #text = ''
  #giveUpAt = Number.POSITIVE_INFINITY
  /** @type {{ resolve(reply: any): void, reject(error: Error): void } | null} */
  #waiter = null

  /** @param {{ host: string, port: number }} where */
  constructor({ host, port }) {
    this.#socket = net.connect({ host, port, noDelay: true })
    this.#socket.setEncoding('utf8')
    this.#socket.on('data', (/** @type {any} */ text) => this.#read(text))
    this.#socket.on('error', (error) => this.#end(error))
    this.#socket.on('close', () => this.#end(new Error('the socket was closed')))
  }

  /** @returns {Promise<void>} */
  connected() {
    return new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve)
      this.#socket.once('error', reject)
    })
  }

  /**
   * @param {{ type: string, params?: object }} command
   * @param {number} [limitMs]
   * @returns {Promise<any>} null: it gave up, and is of no further use
   */
  execute(command, limitMs = Number.POSITIVE_INFINITY) {
    return new Promise((resolve, reject) => {
      this.#text = ''
      this.#waiter = { resolve, reject }
      this.#giveUpAt = performance.now() + limitMs
      this.#socket.write(JSON.stringify(command))
    })
  }

  destroy() {
    this.#socket.destroy()
  }

  /** @param {string} text */
  #read(text) {
    this.#text += text
    const reply = parsed(this.#text)
    if (reply === undefined && performance.now() < this.#giveUpAt) return
    const waiter = this.#waiter
    this.#waiter = null
    if (reply === undefined) this.destroy()
    waiter?.resolve(reply ?? null)
  }

  /** @param {Error} error */
  #end(error) {
    this.#waiter?.reject(error)
    this.#waiter = null
  }
}

/** @param {string} text @returns {any} undefined: not yet */
function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

module.exports = { ParsePerChunkClient }
