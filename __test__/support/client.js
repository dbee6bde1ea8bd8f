'use strict'

// A client of a few lines, for tests of the simulator: it says in each dialect what an add-on's own
// client would, and keeps every byte that came back.

const net = require('node:net')
const { simLine } = require('./dialects')

/** Those that put a length before each document. */
const PREFIXED = ['blender-ai-mcp', 'blender-mcp-pro']

function prefixed(document) {
  const frame = Buffer.alloc(4 + Buffer.byteLength(document))
  frame.writeUInt32BE(frame.length - 4)
  frame.write(document, 4)
  return frame
}

/** As an add-on's own client writes a command; what only the simulator has is in a category of its own. */
const ENVELOPES = {
  worker: (type, params, id) => `${JSON.stringify({ id, type, params })}\n`,
  'blender-mcp': (type, params) => JSON.stringify({ type, params }),
  'blender-lab': (type, params) => {
    const code = type === 'execute_code' ? params.code : simLine(type, params)
    return `${JSON.stringify({ type: 'execute', code, strict_json: false })}\0`
  },
  'blender-mcp-server': (command, params, id) => `${JSON.stringify({ id, command, params })}\n`,
  'category-action': (type, params, id) => {
    const [category, action] = type.includes('.') ? type.split('.') : ['sim', type]
    return `${JSON.stringify({ id: `${id}`, type: 'command', category, action, params })}\n`
  },
  'blender-ai-mcp': (cmd, args, id) => prefixed(JSON.stringify({ request_id: `${id}`, cmd, args })),
  'blender-mcp-pro': (command, params) => prefixed(JSON.stringify({ command, params })),
  niua: (command, payload) => `${JSON.stringify({ command, payload, timeout: 30 })}\n`,
}

/** What each dialect answers, told by what it has in common. */
const said = (reply) => {
  const { message, error } = reply
  return message ?? error?.message ?? error
}
const given = (reply) => reply.result ?? reply.data

/** A socket that remembers what it got, and lets a test wait for it. */
class Client {
  static async connect(target) {
    const client = new Client(target)
    await new Promise((resolve, reject) => {
      client.socket.once('connect', resolve)
      client.socket.once('error', reject)
    })
    return client
  }

  constructor(target) {
    this.dialect = target.dialect ?? 'blender-mcp'
    this.bytes = Buffer.alloc(0)
    this.chunks = 0
    this.error = null
    this.ended = false
    this.lastId = 0
    const { path, host, port } = target
    this.socket = net.connect(path ? { path } : { host, port })
    this.socket.on('data', (chunk) => {
      this.chunks++
      this.bytes = Buffer.concat([this.bytes, chunk])
      this.socket.emit('news')
    })
    this.socket.on('error', (error) => {
      this.error = error
    })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.ended = true
        this.socket.emit('news')
        resolve(this)
      })
    })
  }

  write(bytes) {
    this.socket.write(bytes)
  }

  send(command, params = {}) {
    this.write(ENVELOPES[this.dialect](command, params, ++this.lastId))
  }

  /** Until `found` returns something of the bytes so far, which it may take away. */
  async until(found) {
    for (;;) {
      const value = found(this)
      if (value !== undefined) return value
      if (this.ended) throw new Error(`closed after ${JSON.stringify(this.bytes.toString())}`)
      await new Promise((resolve) => this.socket.once('news', resolve))
    }
  }

  /** The next whole reply, whatever its framing. */
  reply() {
    if (PREFIXED.includes(this.dialect)) return this.#prefixedReply()
    return this.until(() => {
      const ends = { 'blender-lab': 0, 'blender-mcp': undefined }
      const delimiter = this.dialect in ends ? ends[this.dialect] : 0x0a
      const end = delimiter === undefined ? this.bytes.length : this.bytes.indexOf(delimiter)
      if (end < 1) return undefined
      let reply
      try {
        reply = JSON.parse(this.bytes.subarray(0, end).toString())
      } catch (error) {
        if (delimiter !== undefined) throw error
        return undefined
      }
      this.bytes = this.bytes.subarray(end + 1)
      return reply
    })
  }

  #prefixedReply() {
    return this.until(() => {
      if (this.bytes.length < 4 || this.bytes.length < 4 + this.bytes.readUInt32BE())
        return undefined
      const end = 4 + this.bytes.readUInt32BE()
      const reply = JSON.parse(this.bytes.subarray(4, end).toString())
      this.bytes = this.bytes.subarray(end)
      return reply
    })
  }

  ask(command, params) {
    this.send(command, params)
    return this.reply()
  }

  size(bytes) {
    return this.until(() => (this.bytes.length >= bytes ? this.bytes : undefined))
  }

  close() {
    this.socket.destroy()
    return this.closed
  }
}

module.exports = { Client, ENVELOPES, PREFIXED, given, prefixed, said }
