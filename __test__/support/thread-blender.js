'use strict'

/**
 * A Blender on a thread of its own, and what a thread that stands still can see of it: counts in shared
 * memory, which it may wait for. It answers each command of the `worker` dialect with as many characters as
 * its `characters` ask for, and hangs up when it is told to.
 */

const net = require('node:net')
const { once } = require('node:events')
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')

/** What is counted: answers, connections that came, and those that both sides have ended. */
const [ANSWERED, OPENED, GONE] = [0, 1, 2]

class ThreadBlender {
  dialect = 'worker'
  #worker
  #counts

  static async start() {
    const blender = new ThreadBlender()
    await blender.#listen()
    return blender
  }

  async #listen() {
    this.#counts = new Int32Array(new SharedArrayBuffer(3 * 4))
    this.#worker = new Worker(__filename, { workerData: this.#counts })
    const [port] = await once(this.#worker, 'message')
    this.address = `127.0.0.1:${port}`
  }

  get answered() {
    return Atomics.load(this.#counts, ANSWERED)
  }

  get opened() {
    return Atomics.load(this.#counts, OPENED)
  }

  /** Ends its side of every connection, some time soon. */
  hangUp() {
    this.#worker.postMessage('hang up')
  }

  /** Stands still until so many commands are answered. @param {number} count */
  standUntilAnswered(count) {
    return standUntil(this.#counts, ANSWERED, count)
  }

  /** Stands still until so many connections are ended from both sides. @param {number} count */
  standUntilGone(count) {
    return standUntil(this.#counts, GONE, count)
  }

  async stop() {
    await this.#worker.terminate()
  }
}

/** Waits for a count without giving the event loop a turn; says whether it came. */
function standUntil(counts, which, count) {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const now = Atomics.load(counts, which)
    if (now >= count) return true
    Atomics.wait(counts, which, now, 1_000)
  }
  return false
}

function count(which) {
  Atomics.add(workerData, which, 1)
  Atomics.notify(workerData, which)
}

function serve() {
  const sockets = new Set()
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    count(OPENED)
    let text = ''
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      sockets.delete(socket)
      count(GONE)
    })
    socket.on('data', (chunk) => {
      text += chunk
      const lines = text.split('\n')
      text = lines.pop()
      for (const line of lines) {
        const { id, params } = JSON.parse(line)
        const result = { at: params.at, filling: 'x'.repeat(params.characters ?? 0) }
        socket.write(`${JSON.stringify({ id, status: 'success', result })}\n`, () =>
          count(ANSWERED),
        )
      }
    })
  })
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
  parentPort.on('message', () => {
    for (const socket of sockets) socket.end()
  })
}

if (!isMainThread && workerData instanceof Int32Array) serve()

module.exports = { ThreadBlender }
