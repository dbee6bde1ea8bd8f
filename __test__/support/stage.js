'use strict'

// What a test puts up: pools, simulators, servers and processes. All of it is taken down after the test.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const net = require('node:net')
const { join } = require('node:path')
const { createInterface } = require('node:readline')

const { ConnectionPool } = require('../..')
const { startNarrowListener, startSimulator } = require('../../simulator')
const { quietPort: closedPort } = require('./quiet-port')

const CLI = join(__dirname, '..', '..', 'simulator', 'cli.js')

let undo = []

afterEach(async () => {
  const steps = undo.reverse()
  undo = []
  const results = await Promise.allSettled(steps.map((step) => step()))
  const failed = results.find(({ status }) => status === 'rejected')
  if (failed) throw failed.reason
})

/** @param {() => unknown} step run after the test */
function afterwards(step) {
  undo.push(step)
}

/** @param {object} options */
function newPool(options) {
  const pool = new ConnectionPool(options)
  afterwards(() => pool.close({ force: true }))
  return pool
}

async function simulator(options) {
  const started = await startSimulator(options)
  afterwards(() => started.close())
  return started
}

async function narrowListener(options) {
  const started = await startNarrowListener(options)
  let stopped
  const stop = () => {
    stopped ??= started.stop()
    return stopped
  }
  afterwards(stop)
  return { ...started, stop }
}

/**
 * A bare socket server on a free port (or a path).
 * @param {(socket: net.Socket, number: number) => void} meet
 * @param {net.ListenOptions} [where]
 */
async function rawServer(meet, where = { host: '127.0.0.1', port: 0 }) {
  const sockets = new Set()
  const seen = []
  let connects = 0
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.on('data', (chunk) => seen.push(chunk))
    meet(socket, ++connects)
  })
  server.listen(where)
  await once(server, 'listening')
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  afterwards(close)
  const { port, address } = server.address()
  return {
    port,
    address: where.path ? `unix:${where.path}` : `${address}:${port}`,
    sockets,
    close,
    get connects() {
      return connects
    },
    /** Every byte that came, of all connections. */
    get bytes() {
      return Buffer.concat(seen)
    },
  }
}

/**
 * A server of the worker's dialect that answers pings, and everything else as `answer` does.
 * @param {(request: { id: number, type: string, params: object }, socket: net.Socket) => void} answer
 */
function workerServer(answer) {
  return rawServer((socket) => {
    createInterface({ input: socket }).on('line', (line) => {
      const request = JSON.parse(line)
      if (request.type === 'ping') socket.write(workerReply(request.id, { pong: true }))
      else answer(request, socket)
    })
  })
}

/** @param {number} id @param {unknown} result */
function workerReply(id, result) {
  return `${JSON.stringify({ id, status: 'success', result })}\n`
}

/** The simulator as a process of its own, which signals can stop. */
async function simulatorProcess(...flags) {
  const child = spawn(process.execPath, [CLI, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  afterwards(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'close')
  })
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  return { child, address: line.split(' ').at(-1) }
}

module.exports = {
  afterwards,
  closedPort,
  narrowListener,
  newPool,
  rawServer,
  simulator,
  simulatorProcess,
  workerReply,
  workerServer,
}
