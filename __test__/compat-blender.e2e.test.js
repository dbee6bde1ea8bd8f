'use strict'

// The drop-in modules against a real Blender: what an old server asks is done, and each caller has its own
// answer, in both framings and through a restart.

const { startBlender } = require('./support/blender')
const { oldClient, oldPool } = require('./support/compat')

const numbers = (count) => Array.from({ length: count }, (_, index) => index)

/** Runs Python that prints one JSON value; each dialect keeps what is printed elsewhere. */
async function told(run, expression, before = '') {
  const code = `import bpy, json\n${before}\nprint(json.dumps(${expression}, ensure_ascii=False))`
  const { status, result, message } = await run('execute_code', { code })
  if (status !== 'success') throw new Error(message)
  return JSON.parse(result.stdout ?? result.result)
}

// Other tests may keep the machine busy: a Blender then takes its time to start.
jest.setTimeout(90_000)

describe.each(['worker', 'blender-mcp'])('a Blender that speaks %s', (dialect) => {
  /** @type {import('../scripts/blender/worker').Worker} */
  let blender

  beforeAll(async () => {
    blender = await startBlender({ dialect })
  })
  afterAll(() => blender?.stop())

  test('runs the commands of an old pool, each answered to its caller', async () => {
    const pool = oldPool(blender, { maxConnections: 3 })
    const run = (type, params) => pool.execute(type, params)
    const made = { kind: 'cube', name: 'Box', location: [1, 2, 3] }
    expect(await run('create_primitive', made)).toMatchObject({
      status: 'success',
      result: { name: 'Box' },
    })
    const scene = await run('get_scene_info')
    expect(scene.result.objects.map(({ name }) => name)).toContain('Box')
    const answers = await Promise.all(numbers(40).map((n) => told(run, `[${n}, "é→𝄞"]`)))
    expect(answers).toEqual(numbers(40).map((n) => [n, 'é→𝄞']))
    expect(pool.getStats()).toMatchObject({ activeConnections: 0, totalRequests: 42 })
    expect(pool.getStats().totalConnections).toBeLessThanOrEqual(3)
  })

  test('resolves what fails in Blender', async () => {
    const pool = oldPool(blender)
    const reply = await pool.execute('execute_code', { code: '1 / 0' })
    expect(reply.status).toBe('error')
    expect(reply.message).toContain('ZeroDivisionError')
    expect(await pool.execute('no_such_command')).toEqual({
      status: 'error',
      message: 'Unknown command type: no_such_command',
    })
  })

  test('hands a released connection on, and never has two holders of one', async () => {
    const pool = oldPool(blender, { maxConnections: 2 })
    const held = await Promise.all([pool.acquire(), pool.acquire()])
    expect(new Set(held.map(({ id }) => id)).size).toBe(2)
    const waiting = pool.acquire()
    await pool.release(held[0])
    expect((await waiting).id).toBe(held[0].id)
    await pool.shutdown()
    await expect(pool.execute('ping')).rejects.toThrow('Connection pool shutting down')
  })

  test('answers two commands of one client at the same time, each with its own', async () => {
    const client = oldClient(blender)
    await client.connect()
    const run = (type, params) => client.sendCommand(type, params)
    const [first, second] = await Promise.all([told(run, '"first"'), told(run, '"second"')])
    expect([first, second]).toEqual(['first', 'second'])
    const text = 'é→𝄞'.repeat(1_000_000 / 9)
    expect(await told(run, 'len(text)', `text = ${JSON.stringify(text)}`)).toBe([...text].length)
    await client.disconnect()
    expect(await client.validateConnection()).toBe(false)
    expect(await told(run, '"again"')).toBe('again')
  })
})

test('a Blender that ends is told of, and the next one on its port is served', async () => {
  const first = await startBlender({ dialect: 'worker' })
  const { port } = first
  const pool = oldPool(first)
  const client = oldClient(first)
  await client.connect()
  await pool.execute('ping')
  await first.stop()
  await expect(pool.execute('ping')).rejects.toThrow('Failed to create connection')
  await expect(client.sendCommand('ping')).rejects.toThrow('Failed to connect to Blender')
  const second = await startBlender({ dialect: 'worker', port })
  try {
    expect(await pool.execute('ping')).toMatchObject({ result: { pid: second.pid } })
    expect(await client.sendCommand('ping')).toMatchObject({ result: { pid: second.pid } })
  } finally {
    await second.stop()
  }
})
