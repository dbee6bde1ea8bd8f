'use strict'

// What the drop-in modules do to the process they live in: nothing is left unhandled, no health check ends
// it, and it ends by itself when they are closed.

const { runModule, runScript } = require('./support/child')
const { simulator } = require('./support/stage')

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
