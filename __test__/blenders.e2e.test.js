'use strict'

// The pool over two real Blenders at once: which one serves whom, how they are, and what is left when one of
// them is killed in the middle of its work.

const { python, startBlender, telling, told } = require('./support/blender')
const { nextEvent } = require('./support/fault')
const { afterwards, newPool } = require('./support/stage')

const numbers = (count) => Array.from({ length: count }, (_, index) => index)
const pid = telling('os.getpid()', 'import os')

// Other tests may keep the machine busy: a Blender then takes its time to start.
jest.setTimeout(90_000)

async function newBlender(options) {
  const blender = await startBlender(options)
  afterwards(async () => {
    if (blender.process.exitCode !== null || blender.process.signalCode !== null) return
    await blender.stop()
  })
  return blender
}

describe.each(['worker', 'blender-mcp'])('two Blenders that speak %s', (dialect) => {
  async function newPair() {
    const [left, right] = await Promise.all([newBlender({ dialect }), newBlender({ dialect })])
    const endpoints = [
      { name: 'left', host: left.host, port: left.port },
      { name: 'right', host: right.host, port: right.port },
    ]
    return { left, right, endpoints }
  }

  test('calls reach the one they name, stay with the one of their key, and are spread else', async () => {
    const { left, right, endpoints } = await newPair()
    const pool = newPool({ endpoints, dialect, maxConnections: 4 })
    const at = async (options) => told(await pool.execute(pid, options))
    expect(await at({ endpoint: 'left' })).toBe(left.pid)
    expect(await at({ endpoint: 'right' })).toBe(right.pid)
    const keyed = await Promise.all(numbers(10).map(() => at({ affinity: 'scene-42' })))
    expect(new Set(keyed).size).toBe(1)
    const busy = python('import time; time.sleep(0.05)')
    await Promise.all(numbers(8).map(() => pool.execute(busy)))
    const served = pool.stats().endpoints.map(({ commands }) => commands)
    expect(Math.min(...served)).toBeGreaterThan(1)
  })

  test('a new connection has run its hook before any caller has it', async () => {
    const { endpoints } = await newPair()
    const mark =
      'import bpy\nbpy.app.driver_namespace["marks"] = bpy.app.driver_namespace.get("marks", 0) + 1'
    const onConnect = async (connection) => {
      await connection.execute(python(mark), { rejectOnError: true })
    }
    const pool = newPool({ endpoints: endpoints[0], dialect, maxConnections: 3, onConnect })
    const marks = telling('bpy.app.driver_namespace.get("marks", 0)')
    expect(told(await pool.execute(marks))).toBe(1)
    const held = await Promise.all(numbers(3).map(() => pool.acquire()))
    expect(told(await held[0].execute(marks))).toBe(3)
    await Promise.all(held.map((connection) => connection.release()))
  })

  test('one that is killed between checks and commands is told of; the other serves all, and the dead one returns', async () => {
    const { left, right, endpoints } = await newPair()
    const pool = newPool({
      endpoints,
      dialect,
      minConnections: 4,
      maxConnections: 4,
      healthCheckIntervalMs: 50,
      maxRetryBackoffMs: 500,
    })
    const down = nextEvent(pool, 'endpointDown')
    const up = nextEvent(pool, 'endpointUp')
    await pool.warm()
    expect((await pool.checkHealth()).status).toBe('healthy')
    const failed = []
    let going = true
    const call = async () => {
      while (going && failed.length < 50) {
        await pool.execute(pid).catch((error) => failed.push(error))
      }
    }
    const callers = numbers(4).map(call)
    process.kill(left.pid, 'SIGKILL')
    expect(await down).toMatchObject({ endpoint: 'left' })
    const report = await pool.checkHealth()
    expect(report.status).toBe('degraded')
    expect(report.endpoints[1]).toMatchObject({ name: 'right', status: 'healthy' })
    expect(told(await pool.execute(pid))).toBe(right.pid)
    const again = await newBlender({ dialect, port: left.port })
    expect(await up).toMatchObject({ endpoint: 'left' })
    going = false
    await Promise.all(callers)
    expect(told(await pool.execute(pid, { endpoint: 'left' }))).toBe(again.pid)
    // Only what ran there as it died was lost, and each of these says so.
    expect(failed.length).toBeLessThanOrEqual(4)
    for (const error of failed) expect(error).toMatchObject({ endpoint: 'left' })
    expect(pool.stats().raceDetected).toBe(0)
  })
})
