'use strict'

/**
 * A Blender of a few lines, for tests that must have each byte and each moment in their own hands: it
 * reads requests, answers pings, and leaves everything else to the test. The simulator is for what
 * real add-ons do; this is for what a test says.
 */

const net = require('node:net')

/** What each dialect puts behind a document (null: its length before it), and how a stub reads and writes it. */
const DIALECTS = {
  worker: {
    delimiter: '\n',
    read: ({ id, type, params }) => ({ id, type, params, isPing: type === 'ping' }),
    success: (id, result) => ({ id, status: 'success', result }),
    failure: (id, message) => ({ id, status: 'error', message }),
  },
  'blender-mcp': {
    delimiter: '',
    read: ({ type, params }) => ({ type, params, isPing: type === 'ping' }),
    success: (_id, result) => ({ status: 'success', result }),
    failure: (_id, message) => ({ status: 'error', message }),
  },
  'blender-lab': {
    delimiter: '\0',
    oneShot: true,
    read: ({ code }) => ({ type: 'execute_code', params: { code }, isPing: false }),
    success: (_id, result) => ({ status: 'ok', result }),
    failure: (_id, message) => ({ status: 'error', message }),
  },
  'blender-mcp-server': {
    delimiter: '\n',
    read: ({ id, command, params }) => ({
      id,
      type: command,
      params,
      isPing: command === 'scene.get_info',
    }),
    success: (id, result) => ({ id, success: true, result }),
    failure: (id, message) => ({ id, success: false, error: message }),
  },
  'category-action': {
    delimiter: '\n',
    read: ({ id, category, action, params }) => ({
      id,
      type: `${category}.${action}`,
      params,
      isPing: category === 'system' && action === 'get_info',
    }),
    success: (id, data) => ({ id, success: true, data }),
    failure: (id, message) => ({ id, success: false, error: { code: 'X', message } }),
  },
  'blender-ai-mcp': {
    delimiter: null,
    read: ({ request_id: id, cmd, args }) => ({
      id,
      type: cmd,
      params: args,
      isPing: cmd === 'ping',
    }),
    success: (id, result) => ({ request_id: id, status: 'ok', result }),
    failure: (id, error) => ({ request_id: id, status: 'error', error }),
  },
  'blender-mcp-pro': {
    delimiter: null,
    oneShot: true,
    read: ({ command, params }) => ({ type: command, params, isPing: false }),
    success: (_id, result) => ({ status: 'ok', result }),
    failure: (_id, message) => ({ status: 'error', message }),
  },
  niua: {
    delimiter: '\n',
    oneShot: true,
    read: ({ command, payload }) => ({ type: command, params: payload, isPing: false }),
    success: (_id, result) => ({ ok: true, result }),
    failure: (_id, message) => ({ ok: false, error: { code: 'x', message } }),
  },
}

/** The command that brings `asked` to a stub of this dialect, which finds it in `request.asked`. */
function ask(dialect, asked = {}) {
  if (dialect === 'blender-lab') {
    return { type: 'execute_code', params: { code: JSON.stringify(asked) } }
  }
  return { type: dialect === 'category-action' ? 'test.ask' : 'ask', params: asked }
}

/** @param {Buffer} bytes */
function lengthOf(bytes) {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return length
}

/** One command as it came. */
class Request {
  constructor(stub, socket, connection, document) {
    const { id, type, params, isPing } = stub.row.read(document)
    this.row = stub.row
    this.socket = socket
    /** The connection's number, from 1 in order of arrival. */
    this.connection = connection
    this.id = id
    this.type = type
    this.params = params
    this.isPing = isPing
  }

  get asked() {
    return this.type === 'execute_code' ? JSON.parse(this.params.code) : this.params
  }

  /** The whole frame of a reply. */
  frame(result) {
    return this.framed(JSON.stringify(this.row.success(this.id, result)))
  }

  framed(document) {
    const bytes = Buffer.from(document)
    const { delimiter } = this.row
    return delimiter === null
      ? Buffer.concat([lengthOf(bytes), bytes])
      : Buffer.concat([bytes, Buffer.from(delimiter)])
  }

  reply(result) {
    this.send(this.frame(result))
  }

  fail(message) {
    this.send(this.framed(JSON.stringify(this.row.failure(this.id, message))))
  }

  /** The last bytes of a reply, or all of them. */
  send(bytes) {
    if (!this.socket.writable) return
    this.socket.write(bytes)
    if (this.row.oneShot) this.socket.end()
  }

  /** Some bytes of a reply, with more to come. Resolves when the kernel has taken them. */
  write(bytes) {
    return new Promise((resolve) => this.socket.write(bytes, resolve))
  }
}

class StubBlender {
  /** Connections that are open, that were at the same time, and that came. */
  open = 0
  peak = 0
  accepted = 0
  /** Commands in order of arrival, pings left out. */
  requests = []
  pings = 0
  #sockets = new Set()
  #waiters = new Set()
  #server

  constructor({ dialect = 'worker', answer, ping, meet } = {}) {
    this.dialect = dialect
    this.row = DIALECTS[dialect]
    /** What becomes of a command; by default what was asked comes back. */
    this.answer = answer ?? ((request) => request.reply(request.asked))
    /** What becomes of a ping; by default it is answered. */
    this.ping = ping ?? ((request) => request.reply({ pong: true }))
    /** What becomes of a connection, by number: `false` when the test has dealt with it. */
    this.meet = meet ?? (() => true)
    this.#server = net.createServer({ noDelay: true }, (socket) => this.#welcome(socket))
  }

  get address() {
    return `127.0.0.1:${this.port}`
  }

  async listen(port = 0) {
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', resolve)
    })
    this.port = this.#server.address().port
    return this
  }

  #welcome(socket) {
    const connection = ++this.accepted
    this.open++
    this.#notePeak()
    this.#sockets.add(socket)
    socket.on('error', () => {})
    // The client is gone with its last byte, not when this process gets round to its own.
    const gone = () => {
      if (!this.#sockets.delete(socket)) return
      this.open--
      this.#news()
    }
    socket.on('end', gone)
    socket.on('close', gone)
    this.#news()
    if (this.meet(connection, socket) === false) return
    this.#read(socket, connection)
  }

  /**
   * Node accepts all connections there are before it reads what came on the others, so it may hear of
   * one before it hears of the end of another that made room for it. Two turns later it has heard of both.
   */
  #notePeak() {
    setImmediate(() => {
      setImmediate(() => {
        this.peak = Math.max(this.peak, this.open)
      })
    })
  }

  #read(socket, connection) {
    let text = ''
    const decoder = new TextDecoder()
    const take = (document) => {
      const request = new Request(this, socket, connection, document)
      if (request.isPing) {
        this.pings++
        this.ping(request)
      } else {
        this.requests.push(request)
        this.answer(request)
      }
      this.#news()
    }
    if (this.row.delimiter === null) return this.#readPrefixed(socket, take)
    socket.on('data', (chunk) => {
      text += decoder.decode(chunk, { stream: true })
      if (this.row.delimiter === '') {
        try {
          const document = JSON.parse(text)
          text = ''
          take(document)
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error
        }
        return
      }
      const documents = text.split(this.row.delimiter)
      text = documents.pop()
      for (const document of documents) take(JSON.parse(document))
    })
  }

  #readPrefixed(socket, take) {
    let bytes = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
        const end = 4 + bytes.readUInt32BE(0)
        const document = JSON.parse(bytes.subarray(4, end).toString())
        bytes = bytes.subarray(end)
        take(document)
      }
    })
  }

  /** Resolves when `holds(this)` does, now or after something has happened here. */
  until(holds) {
    if (holds(this)) return Promise.resolve()
    return new Promise((resolve) => {
      const waiter = () => {
        if (!holds(this)) return
        this.#waiters.delete(waiter)
        resolve()
      }
      this.#waiters.add(waiter)
    })
  }

  #news() {
    for (const waiter of this.#waiters) waiter()
  }

  /** As a crash: every connection is reset. It goes on listening. */
  kill() {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Stops listening and closes what is open. */
  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

module.exports = { DIALECTS: Object.keys(DIALECTS), StubBlender, ask }
