'use strict'

// What the drop-in modules do to the process they live in: nothing is left unhandled, no health check ends
// it, and it ends by itself when they are closed.

const { runModule, runScript } = require('./support/child')
const { closedPort, simulator } = require('./support/stage')

const REQUIRED = `
  const { ConnectionPool: OldPool } = require('blender-pool/compat/connection-pool')
  const { BlenderSocketClient } = require('blender-pool/compat/socket-client')`

async function expectClean(running) {
  const ended = await running
  expect(ended).toMatchObject({ signal: null, stderr: '', code: 0 })
  return ended.reports
}

test('every failure there is leaves no rejection unhandled', async () => {
  const server = await simulator({ dialect: 'blender-mcp' })
  server.setFaults([
    { command: 'silent', silence: true },
    { command: 'cut', truncate: 5 },
    { command: 'reset', reset: 'afterRun' },
    { command: 'odd', garbage: 'nonsense' },
    { command: 'huge', replyBytes: 51 * 1024 * 1024 },
  ])
  const [{ messages, pending }] = await expectClean(
    runScript(
      `${REQUIRED}
      ;(async () => {
        const seen = (promise) => promise.then(() => 'fine', ({ message }) => message.slice(0, 24))
        const pool = new OldPool({ maxConnections: 2, connectionTimeout: 20, healthCheckInterval: 1 })
        const client = new BlenderSocketClient(undefined, undefined, 100)
        const messages = []
        for (const type of ['silent', 'cut', 'reset', 'odd', 'huge', 'ping']) {
          messages.push(...await Promise.all([seen(pool.execute(type)), seen(client.sendCommand(type))]))
        }
        const held = await Promise.all([pool.acquire(), pool.acquire()])
        messages.push(await seen(pool.acquire()))
        const last = [seen(pool.acquire()), seen(pool.execute('ping')), seen(client.sendCommand('silent'))]
        await Promise.all([pool.shutdown(), client.disconnect()])
        messages.push(...await Promise.all([...last, seen(pool.execute('ping'))]))
        report({ messages, pending: pool.getStats().pendingRequests })
      })()`,
      {
        env: {
          BLENDER_HOST: '127.0.0.1',
          BLENDER_PORT: `${server.port}`,
          SOCKET_TIMEOUT: '100',
        },
      },
    ),
  )
  expect(pending).toBe(0)
  expect(messages).toHaveLength(17)
  expect(messages.filter((message) => message === 'Connection pool shutting')).toHaveLength(3)
})

test('health checks that fail, and a Blender that is not there, end nothing', async () => {
  const [{ failed, dialled }] = await expectClean(
    runScript(`
      process.env.BLENDER_HOST = '127.0.0.1'
      ${REQUIRED}
      const { createServer } = require('node:net')
      const { once } = require('node:events')
      const { startSimulator } = require('blender-pool/simulator')
      ;(async () => {
        const sick = await startSimulator({ dialect: 'blender-mcp' })
        process.env.BLENDER_PORT = String(sick.port)
        const checked = new OldPool({ healthCheckInterval: 1, minConnections: 2 })
        await checked.release(await checked.acquire())
        sick.setFaults({ reset: 'afterRead' })
        await sick.waitFor(({ faults }) => faults >= 5)

        let dialled = 0
        const absent = createServer((socket) => { dialled++; socket.destroy() }).listen(0, '127.0.0.1')
        await once(absent, 'listening')
        process.env.BLENDER_PORT = String(absent.address().port)
        const alone = new OldPool({ healthCheckInterval: 1, minConnections: 5 })
        while (dialled < 5) await once(absent, 'connection')

        report({ failed: sick.stats().faults, dialled })
        await Promise.all([checked.shutdown(), alone.shutdown(), sick.close()])
        absent.close()
      })()`),
  )
  expect(failed).toBeGreaterThanOrEqual(5)
  expect(dialled).toBeGreaterThanOrEqual(5)
})

test('a client that nobody connected holds no process', async () => {
  await expectClean(runScript(`${REQUIRED}; new BlenderSocketClient('127.0.0.1', 9)`))
})

describe('the process ends by itself', () => {
  test.each([
    ['connect()', 'client.connect()'],
    ['a command', "client.sendCommand('ping')"],
  ])('after %s of a client found no Blender', async (_, call) => {
    const [{ said }] = await expectClean(
      runScript(
        `${REQUIRED}
        const client = new BlenderSocketClient('127.0.0.1', ${await closedPort()}, 500)
        ${call}.catch(({ message }) => report({ said: message }))`,
      ),
    )
    expect(said).toMatch(/^Failed to connect to Blender: connect ECONNREFUSED/)
  })

  test('once Blender has closed the connection of a client, which held it until then', async () => {
    const server = await simulator({ dialect: 'blender-mcp' })
    const child = runScript(
      `${REQUIRED}
      const client = new BlenderSocketClient('127.0.0.1', ${server.port})
      client.sendCommand('ping').then(({ status }) => {
        process.on('exit', () => report({ status }))
        setTimeout(() => client.sendCommand('quit').catch(() => {}), 0).unref()
      })`,
    )
    expect(await expectClean(child)).toEqual([{ status: 'success' }])
    expect(server.stats().commands.map(({ command }) => command)).toContain('quit')
  })

  test('after a pool without health checks found no Blender', async () => {
    const [{ said }] = await expectClean(
      runScript(
        `${REQUIRED}
        const pool = new OldPool({ healthCheckInterval: 0 })
        pool.execute('ping').catch(({ message }) => report({ said: message }))`,
        { env: { BLENDER_HOST: '127.0.0.1', BLENDER_PORT: `${await closedPort()}` } },
      ),
    )
    expect(said).toMatch(/^Failed to create connection: /)
  })
})

test('a pool with health checks holds the process until it is shut down, as the old one did', async () => {
  const [{ ended }] = await expectClean(
    runScript(
      `${REQUIRED}
      const pool = new OldPool()
      let ended = 'too early'
      process.on('exit', () => report({ ended }))
      pool.execute('ping').catch(() => {
        // Nothing but the pool holds the process now.
        setTimeout(() => pool.shutdown().then(() => { ended = 'after shutdown' }), 50).unref()
      })`,
      { env: { BLENDER_HOST: '127.0.0.1', BLENDER_PORT: `${await closedPort()}` } },
    ),
  )
  expect(ended).toBe('after shutdown')
})

test('the modules are imported by the names that the old files exported', async () => {
  const { stdout, stderr, code } = await runModule(`
    import { ConnectionPool, MutexTimeoutError, getConnectionPool } from 'blender-pool/compat/connection-pool'
    import {
      BlenderSocketClient, BufferOverflowError, ChunkCountExceededError, getBlenderClient,
    } from 'blender-pool/compat/socket-client'
    const names = [ConnectionPool, MutexTimeoutError, getConnectionPool, BlenderSocketClient,
      BufferOverflowError, ChunkCountExceededError, getBlenderClient]
    console.log(names.every((name) => typeof name === 'function'))`)
  expect({ stdout, stderr, code }).toEqual({ stdout: 'true\n', stderr: '', code: 0 })
})
