'use strict'

// A ResourcePool at real work: TCP clients of a small server that drops some of them, and child processes, some
// of which are killed.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const net = require('node:net')
const { createInterface } = require('node:readline')
const { ResourcePool } = require('..')
const { eventually, outcome } = require('./support/arena')
const { nextEvent } = require('./support/fault')
const { afterwards, rawServer } = require('./support/stage')

function open(options) {
  const pool = new ResourcePool({ healthCheckIntervalMs: 0, retryBackoffMs: 1, ...options })
  afterwards(() => pool.close({ force: true }))
  return pool
}

/** Sends a line and resolves with the next one. */
class LineClient {
  #socket
  #lines

  constructor(socket) {
    this.#socket = socket
    this.#lines = createInterface({ input: socket })
    socket.on('error', () => {})
  }

  static async connect(port, signal) {
    const socket = net.connect({ port, host: '127.0.0.1' })
    try {
      await once(socket, 'connect', { signal })
    } catch (error) {
      socket.destroy()
      throw error
    }
    return new LineClient(socket)
  }

  async ask(line) {
    if (this.#socket.destroyed) throw new Error('the server has gone')
    const gone = new AbortController()
    const hangUp = () => gone.abort(new Error('the server has gone'))
    this.#socket.once('close', hangUp)
    try {
      this.#socket.write(`${line}\n`)
      const [answer] = await once(this.#lines, 'line', { signal: gone.signal })
      return answer
    } finally {
      this.#socket.off('close', hangUp)
    }
  }

  isAlive() {
    return !this.#socket.destroyed && !this.#socket.readableEnded
  }

  async close() {
    if (this.#socket.destroyed) return
    const closed = once(this.#socket, 'close')
    this.#socket.end()
    await closed
  }
}

/** A server of numbers: it doubles each, and drops who asks for 13. It counts who is there. */
async function doubler() {
  const seen = { most: 0 }
  const server = await rawServer((socket) => {
    seen.most = Math.max(seen.most, server.sockets.size)
    createInterface({ input: socket }).on('line', (line) => {
      if (line === '13') socket.destroy()
      else socket.write(`${line * 2}\n`)
    })
  })
  return { server, seen }
}

test('clients of a server are shared by many callers, each answer with its caller', async () => {
  const { server, seen } = await doubler()
  const pool = open({
    create: (signal) => LineClient.connect(server.port, signal),
    validate: (client) => client.isAlive(),
    destroy: (client) => client.close(),
    maxConnections: 3,
  })
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, number) =>
      pool.use(async (lease) => {
        // Unlucky, and the client is no good any more.
        const { value, error } = await outcome(lease.resource.ask(number))
        if (error !== undefined) await lease.discard(error.message)
        return value
      }),
    ),
  )
  const expected = Array.from({ length: 300 }, (_, number) => `${number * 2}`)
  expect(answers).toEqual(expected.map((answer, number) => (number === 13 ? undefined : answer)))
  expect(seen.most).toBeLessThanOrEqual(3)
  expect(pool.stats()).toMatchObject({ acquired: 300, released: 300, closed: { discarded: 1 } })
  await pool.close()
  await eventually(() => server.sockets.size === 0)
})

test('clients whose server was restarted are found out by validate, and replaced', async () => {
  const { server, seen } = await doubler()
  const pool = open({
    create: (signal) => LineClient.connect(server.port, signal),
    validate: (client) => client.isAlive(),
    destroy: (client) => client.close(),
    maxConnections: 2,
    minConnections: 2,
  })
  await pool.warm()
  // A client is connected before its server has met it.
  await eventually(() => server.sockets.size === 2)
  for (const socket of server.sockets) socket.destroy()
  let closed = 0
  pool.on('connectionClosed', ({ reason }) => {
    closed += reason === 'unhealthy'
  })
  // The clients learn of it in their own time.
  while (closed < 2) await pool.checkHealth()
  await pool.warm()
  expect(await pool.use(({ resource }) => resource.ask(21))).toBe('42')
  expect(seen.most).toBe(2)
})

test('a server that is not there is told as the system told it', async () => {
  const { server } = await doubler()
  const { port } = server
  await server.close()
  const pool = open({
    create: (signal) => LineClient.connect(port, signal),
    destroy: (client) => client.close(),
    connectRetryMs: 0,
  })
  const { error } = await outcome(pool.acquire())
  expect(error).toMatchObject({ code: 'ERR_POOL_CONNECT', cause: { code: 'ECONNREFUSED', port } })
  expect(error.message).toBe(`create failed: connect ECONNREFUSED 127.0.0.1:${port}`)
})

describe('child processes', () => {
  const SOURCE = `
    const { createInterface } = require('node:readline')
    createInterface({ input: process.stdin }).on('line', (line) => {
      if (line === 'die') process.kill(process.pid, 'SIGKILL')
      else console.log(process.pid + ' ' + line.toUpperCase())
    })
    console.log('ready')`

  class Shouter {
    static async start(signal) {
      const child = spawn(process.execPath, ['-e', SOURCE], {
        stdio: ['pipe', 'pipe', 'inherit'],
        signal,
      })
      child.on('error', () => {})
      child.stdin.on('error', () => {})
      const shouter = new Shouter()
      shouter.child = child
      shouter.lines = createInterface({ input: child.stdout })
      await shouter.next()
      return shouter
    }

    /** The next line, or why there is none. */
    async next() {
      const ended = new AbortController()
      const end = () => ended.abort()
      this.child.once('exit', end)
      try {
        const [line] = await once(this.lines, 'line', { signal: ended.signal })
        return line
      } catch {
        throw new Error('the process has died')
      } finally {
        this.child.off('exit', end)
      }
    }

    shout(text) {
      this.child.stdin.write(`${text}\n`)
      return this.next()
    }

    isAlive() {
      return this.child.exitCode === null && this.child.signalCode === null
    }

    async stop() {
      if (!this.isAlive()) return
      const exited = once(this.child, 'exit')
      this.child.stdin.end()
      await exited
    }
  }

  test('are kept running, replaced when they die, and ended with the pool', async () => {
    const started = []
    const pool = open({
      create: async (signal) => {
        const shouter = await Shouter.start(signal)
        started.push(shouter)
        return shouter
      },
      validate: (shouter) => shouter.isAlive(),
      destroy: (shouter) => shouter.stop(),
      maxConnections: 2,
      connectTimeoutMs: 20_000,
    })
    const shout = (text) =>
      pool.use(async (lease) => {
        const { value, error } = await outcome(lease.resource.shout(text))
        if (error !== undefined) await lease.discard(error.message)
        return value ?? error.message
      })
    const words = Array.from({ length: 20 }, (_, at) => (at === 7 ? 'die' : `word ${at}`))
    const shouted = await Promise.all(words.map(shout))
    expect(shouted.map((line) => line.replace(/^\d+ /, ''))).toEqual(
      words.map((word) => (word === 'die' ? 'the process has died' : word.toUpperCase())),
    )
    expect(started.length).toBeGreaterThan(1)
    // One that dies while nobody looks.
    const idle = started.find((shouter) => shouter.isAlive())
    const exited = once(idle.child, 'exit')
    // What was thrown away before may be told of at this very moment.
    const unhealthy = nextEvent(pool, 'connectionClosed', ({ reason }) => reason === 'unhealthy')
    idle.child.kill('SIGKILL')
    await exited
    await pool.checkHealth()
    await unhealthy
    expect(await shout('again')).toMatch(/ AGAIN$/)
    await pool.close()
    expect(started.every((shouter) => !shouter.isAlive())).toBe(true)
  })
})
