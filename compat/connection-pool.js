// @ts-check
'use strict'
// `src/utils/connection-pool.ts` of the Blender MCP servers, name for name, over the pool of this package.
//
// | what | there | here, and why |
// |---|---|---|
// | PooledConnection | carried a net.Socket | does not: only the pool writes, so nothing is ever interleaved. Times are numbers, as there |
// | one object | stood for one connection | the same: releasing it gives back whoever holds that connection now; one that nobody holds is a warning |
// | acquire, release | under a lock, held while connecting (up to 180 s) | no lock: a place is claimed before anybody is told. `mutexTimeout` is taken and has nothing to bound; nothing throws MutexTimeoutError |
// | a waiter that timed out | could leave the lock taken for ever | leaves the queue, and nobody notices |
// | connectionTimeout | waiting for a place | the same. Waiting for Blender is SOCKET_TIMEOUT's affair, as there |
// | execute | several at once inside Blender | one at a time where the add-on would lose or mix them; the others wait here, in order |
// | shutdown | cut what ran; acquire worked afterwards | what runs may finish (2 s), and afterwards everything rejects with `Connection pool shutting down` |
// | replies | decoded and parsed again with every chunk | read once, in bytes: no broken characters, no blocked event loop. One that is no JSON rejects at once, not after SOCKET_TIMEOUT |
// | a reply over 64 MiB | filled the memory | rejects (ERR_POOL_REPLY_TOO_LARGE) |
// | a timed out command | its socket closed | the same, and its late reply is read first: an add-on that cannot write freezes Blender |
// | minConnections | opened by the first health check | opened in the background from the start |
// | health checks | looked at clocks | ping what is idle; a failure is no rejection and ends no process |
// | the process | held until shutdown, by the interval of the health checks | the same; with a `healthCheckInterval` of 0, while a connection stands or a call is pending |
// | totalRequests | of the connections that were open | of the pool's whole life: it never goes down |
// | pendingRequests | waiters | the same |
// | a first contact | none | the add-on is asked once what it speaks, on a connection of its own; to one that does not tell, the old dialect is spoken |
// | errors | message | the same message, with `code`, `advice`, `delivered`, `retryable` and the PoolError as `cause` |
// | another machine | silently | allowed, with a process warning: the add-on runs any code it is sent |

const { readEnvironment } = require('./environment')
const { failure, refusal } = require('./failure')
const { Line } = require('./line')
const { readConfig } = require('./settings')
const { Turnstile } = require('./turnstile')

/** @typedef {import('../lib/pooled-connection').PooledConnection} Held */

const SHUTTING_DOWN = 'Connection pool shutting down'
const NO_PLACE = 'Connection pool timeout - no connections available'

const MORE_PLACES = 'Raise connectionTimeout or maxConnections, or release connections sooner.'
const NEW_POOL = 'Make a new ConnectionPool; see delivered for whether a command was under way.'
const SLOW =
  'Blender may be rendering, or a dialog may be open. Raise SOCKET_TIMEOUT for long work; look at delivered, and check the scene before sending the command again.'
const ABSENT =
  "Start Blender and the add-on's server, and check BLENDER_HOST and BLENDER_PORT. If they are right, Blender may be busy: a render, or an open dialog."

/** @type {import('./failure').Words} */
const WORDS = {
  timeout: 'Response timeout',
  lost: 'Connection closed',
  closed: SHUTTING_DOWN,
  connect: (reason) => `Failed to create connection: Failed to connect to Blender: ${reason}`,
  advice: {
    // A call has its place already: what it waits for is Blender.
    ERR_POOL_ACQUIRE_TIMEOUT: SLOW,
    ERR_POOL_COMMAND_TIMEOUT: SLOW,
    ERR_POOL_CLOSED: NEW_POOL,
    ERR_POOL_CONNECT: ABSENT,
    ERR_POOL_ENDPOINT_DOWN: ABSENT,
    ERR_POOL_PROTOCOL: 'Check what listens on BLENDER_PORT: the message shows what it answered.',
    ERR_POOL_REPLY_TOO_LARGE: 'Ask for less, or let Blender write to a file instead.',
  },
}

/** How long a running command may go on after `shutdown()`. */
const GRACE_MS = 2_000

class MutexTimeoutError extends Error {
  /**
   * @param {string} operation
   * @param {number} timeoutMs
   */
  constructor(operation, timeoutMs) {
    super(`Mutex acquisition timeout after ${timeoutMs}ms during ${operation}`)
    this.name = 'MutexTimeoutError'
  }
}

/** What a caller sees of a connection. */
class PooledConnection {
  inUse = false
  requestCount = 0

  /**
   * @param {string} id
   * @param {number} createdAt
   */
  constructor(id, createdAt) {
    this.id = id
    this.createdAt = createdAt
    this.lastUsedAt = createdAt
  }
}

class ConnectionPool {
  #turnstile
  #line
  /** By number, for as long as they are open. @type {Map<number, PooledConnection>} */
  #connections = new Map()
  /** Those that somebody holds. @type {Map<string, { held: Held, connection: PooledConnection }>} */
  #held = new Map()
  #requests = 0
  /** @type {Promise<void> | null} */
  #ending = null

  /** @param {unknown} [config] */
  constructor(config) {
    const { places, waitMs, options } = readConfig(config)
    this.#turnstile = new Turnstile(places, waitMs, () =>
      refusal(NO_PLACE, 'ERR_POOL_ACQUIRE_TIMEOUT', MORE_PLACES),
    )
    this.#line = new Line(readEnvironment(), options, {
      onClosed: (id) => this.#connections.delete(id),
      // The old pool's interval did.
      holdsAlways: options.healthCheckIntervalMs > 0,
    })
  }

  /** @returns {Promise<PooledConnection>} */
  async acquire() {
    await this.#turnstile.enter()
    try {
      // Whoever is handed a place takes the connection before its giver goes on: no other await here.
      const met = this.#line.ready()
      const pool = met instanceof Promise ? await met : met
      return this.#holds(pool.tryAcquire() ?? (await pool.acquire()))
    } catch (error) {
      this.#turnstile.leave()
      throw failure(error, WORDS)
    }
  }

  /** @param {PooledConnection} connection */
  async release(connection) {
    if (!this.#letGo(connection?.id)) {
      const id = String(connection?.id)
      const message = `Attempted to release unknown connection ${id}`
      process.emitWarning(message, { type: 'BlenderPoolWarning' })
    }
  }

  /**
   * @param {string} type
   * @param {object} [params]
   */
  async execute(type, params) {
    await this.#turnstile.enter()
    try {
      return await this.#line.run(type, params)
    } catch (error) {
      throw failure(error, WORDS)
    } finally {
      this.#requests++
      this.#turnstile.leave()
    }
  }

  getStats() {
    const { total, connecting, inUse } = this.#line.pool.stats()
    const totalConnections = total - connecting
    return {
      totalConnections,
      activeConnections: inUse,
      idleConnections: totalConnections - inUse,
      pendingRequests: this.#turnstile.waiting,
      totalRequests: this.#requests,
    }
  }

  /** @returns {Promise<void>} */
  shutdown() {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end() {
    this.#turnstile.close(() => refusal(SHUTTING_DOWN, 'ERR_POOL_CLOSED', NEW_POOL))
    for (const id of this.#held.keys()) this.#letGo(id)
    await this.#line.close(GRACE_MS)
  }

  /** @param {Held} held */
  #holds(held) {
    const connection =
      this.#connections.get(held.id) ?? new PooledConnection(`conn-${held.id}`, held.createdAt)
    this.#connections.set(held.id, connection)
    this.#held.set(connection.id, { held, connection })
    connection.inUse = true
    connection.lastUsedAt = Date.now()
    connection.requestCount = this.#line.usesOf(held)
    return connection
  }

  /** @param {string} id @returns {boolean} whether somebody held it */
  #letGo(id) {
    const hold = this.#held.get(id)
    if (hold === undefined) return false
    const { held, connection } = hold
    this.#held.delete(id)
    connection.inUse = false
    connection.lastUsedAt = Date.now()
    connection.requestCount++
    this.#requests++
    // One that was lost meanwhile is none of the pool's any more; its place is free all the same.
    held.release().catch(() => {})
    this.#turnstile.leave()
    return true
  }
}

/** @type {ConnectionPool | undefined} */
let shared

/** The process's own, made when it is first asked for. */
function getConnectionPool() {
  shared ??= new ConnectionPool()
  return shared
}

exports.ConnectionPool = ConnectionPool
exports.MutexTimeoutError = MutexTimeoutError
exports.getConnectionPool = getConnectionPool
