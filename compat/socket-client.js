// @ts-check
'use strict'
// `src/utils/socket-client.ts` of the Blender MCP servers, name for name, over the pool of this package.
//
// | what | there | here, and why |
// |---|---|---|
// | two sendCommand at the same time | shared one socket: both were given the first reply | each has its own; they run one after another, in order |
// | sendCommand, not connected | connected first | the same |
// | timeout | silence of the socket | of the whole call: waiting for its turn, and the reply |
// | after a timeout or an error | the socket was closed | the same, and the next call has a new one |
// | validateConnection | a boolean | a promise of one, so `await` it: whether a connection to Blender stands now. It never rejects |
// | a reply over 50 MB | BufferOverflowError | the same; its `chunkCount` counts pieces of 64 KiB, for the pool reads as it likes |
// | a reply in over 10 000 chunks | ChunkCountExceededError | is read: no chunk is parsed twice, so their number costs nothing. Nothing throws that class |
// | replies | decoded chunk by chunk | read in bytes: a character may straddle two chunks |
// | disconnect | closed the socket | what runs may finish (2 s); then connect() and sendCommand() work again, as there |
// | the process | held by the open socket | held while the connection stands or a call is pending |
// | SOCKET_TIMEOUT | not read | the default of `timeout`; all three are read when the client is made |
// | a first contact, errors, another machine | | as in connection-pool.js |

const { readEnvironment, timeoutOf } = require('./environment')
const { failure } = require('./failure')
const { Line } = require('./line')

const MAX_REPLY_BYTES = 50 * 1024 * 1024
const CHUNK_BYTES = 64 * 1024

/** How long a running command may go on after `disconnect()`. */
const GRACE_MS = 2_000

/** One connection that stays, as a socket does. */
const OPTIONS = {
  maxConnections: 1,
  maxUses: 2 ** 32 - 1,
  idleTimeoutMs: 0,
  maxLifetimeMs: 0,
  maxReplyBytes: MAX_REPLY_BYTES,
}

class BufferOverflowError extends Error {
  /**
   * @param {number} totalBytes
   * @param {number} maxSize
   * @param {number} chunkCount
   */
  constructor(totalBytes, maxSize, chunkCount) {
    super(
      `Buffer exceeded maximum size: ${maxSize} bytes (received ${totalBytes} bytes after ${chunkCount} chunks)`,
    )
    this.name = 'BufferOverflowError'
    this.totalBytes = totalBytes
    this.maxSize = maxSize
    this.chunkCount = chunkCount
  }
}

class ChunkCountExceededError extends Error {
  /**
   * @param {number} chunkCount
   * @param {number} maxChunks
   */
  constructor(chunkCount, maxChunks) {
    super(`Exceeded maximum chunk count: ${maxChunks} (received ${chunkCount} chunks)`)
    this.name = 'ChunkCountExceededError'
    this.chunkCount = chunkCount
    this.maxChunks = maxChunks
  }
}

const SLOW =
  "Blender may be rendering, or a dialog may be open. Raise the client's third argument, or SOCKET_TIMEOUT where it has none, for long work; look at delivered, and check the scene before sending the command again."
const ABSENT =
  "Start Blender and the add-on's server, and check the client's host and port. If they are right, Blender may be busy: a render, or an open dialog."

/** @type {import('./failure').Words} */
const WORDS = {
  timeout: 'Response timeout - no complete JSON received within timeout period',
  lost: 'Connection closed before complete response',
  closed: 'Connection closed before complete response',
  connect: (reason) => `Failed to connect to Blender: ${reason}`,
  tooLarge: ({ details }) => {
    const totalBytes = Number(details?.receivedBytes)
    const chunks = Math.ceil(totalBytes / CHUNK_BYTES)
    return new BufferOverflowError(totalBytes, MAX_REPLY_BYTES, chunks)
  },
  advice: {
    ERR_POOL_ACQUIRE_TIMEOUT: SLOW,
    ERR_POOL_COMMAND_TIMEOUT: SLOW,
    ERR_POOL_CLOSED:
      "The client was disconnected. Look at delivered: with 'no' send the command again, else check the scene first.",
    ERR_POOL_CONNECT: ABSENT,
    ERR_POOL_ENDPOINT_DOWN: ABSENT,
    ERR_POOL_PROTOCOL: 'Check what listens on that port: the message shows what it answered.',
    ERR_POOL_REPLY_TOO_LARGE: 'Ask for less, or let Blender write to a file instead.',
  },
}

class BlenderSocketClient {
  #blender
  /** @type {Line | null} */
  #line = null

  /**
   * @param {string} [host]
   * @param {number} [port]
   * @param {number} [timeout]
   */
  constructor(host, port, timeout) {
    const said = readEnvironment()
    const timeoutMs = timeout === undefined ? said.timeoutMs : timeoutOf(timeout)
    this.#blender = { host: host ?? said.host, port: port ?? said.port, timeoutMs }
  }

  /** @returns {Promise<void>} */
  async connect() {
    if (await this.validateConnection()) return
    try {
      const pool = await this.#open().ready()
      // Met is not connected: the one that was met may have gone since.
      const connection = await pool.acquire()
      await connection.release()
    } catch (error) {
      throw failure(error, WORDS)
    }
  }

  /**
   * @param {string} type
   * @param {object} [params]
   */
  async sendCommand(type, params) {
    try {
      return await this.#open().run(type, params)
    } catch (error) {
      throw failure(error, WORDS)
    }
  }

  async validateConnection() {
    const { idle = 0, inUse = 0, unusable = 0 } = this.#line?.pool.stats() ?? {}
    return idle + inUse + unusable > 0
  }

  async disconnect() {
    const line = this.#line
    this.#line = null
    await line?.close(GRACE_MS)
  }

  #open() {
    this.#line ??= new Line(this.#blender, OPTIONS)
    return this.#line
  }
}

/** @type {BlenderSocketClient | undefined} */
let shared

/** The process's own, made when it is first asked for. */
function getBlenderClient() {
  shared ??= new BlenderSocketClient()
  return shared
}

exports.BlenderSocketClient = BlenderSocketClient
exports.BufferOverflowError = BufferOverflowError
exports.ChunkCountExceededError = ChunkCountExceededError
exports.getBlenderClient = getBlenderClient
