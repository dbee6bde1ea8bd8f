// @ts-check
'use strict'
// The client that a program writes by hand around a socket: JSON.stringify, a line, JSON.parse; one command
// at a time, as whoever takes it from a pool sends them. No time limits, no events, no checks: the least a peer can do.

const net = require('node:net')

class JsonLineClient {
  #socket
  #rest = ''
  #lastId = 0
  /** @type {{ resolve(reply: any): void, reject(error: Error): void } | null} */
  #waiter = null

  /** @param {net.Socket} socket connected */
  constructor(socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('utf8')
    socket.on('data', (/** @type {any} */ text) => this.#read(text))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the socket was closed')))
  }

  /**
   * @param {{ host: string, port: number }} where
   * @returns {Promise<JsonLineClient>}
   */
  static connect({ host, port }) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host, port })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new JsonLineClient(socket))
      })
    })
  }

  /**
   * @param {{ type: string, params: object }} command
   * @returns {Promise<any>} the result
   */
  execute({ type, params }) {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      this.#socket.write(`${JSON.stringify({ id: ++this.#lastId, type, params })}\n`)
    })
  }

  destroy() {
    this.#socket.destroy()
  }

  /** @param {string} text */
  #read(text) {
    const end = text.indexOf('\n')
    if (end < 0) {
      this.#rest += text
      return
    }
    const reply = JSON.parse(this.#rest + text.slice(0, end))
    this.#rest = text.slice(end + 1)
    const waiter = this.#waiter
    this.#waiter = null
    if (reply.id !== this.#lastId) waiter?.reject(new Error('an answer to another command'))
    else waiter?.resolve(reply)
  }

  /** @param {Error} error */
  #fail(error) {
    this.#waiter?.reject(error)
    this.#waiter = null
  }
}

module.exports = { JsonLineClient }
