'use strict'

// The pool against a real Blender, in both framings: what callers ask is done, and each has its own answer.

const fs = require('node:fs/promises')
const os = require('node:os')
const path = require('node:path')

const { printed, python, startBlender, telling, told } = require('./support/blender')
const { gate } = require('./support/gate')
const { afterwards, newPool } = require('./support/stage')

const MIB = 1024 * 1024
/** Characters of one to four bytes in UTF-8. */
const MULTIBYTE = 'aé→𝄞'
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

const numbers = (count) => Array.from({ length: count }, (_, index) => index)

/** Width and height of a PNG. */
function sizeOf(png) {
  expect(png.subarray(0, 8)).toEqual(PNG)
  return [png.readUInt32BE(16), png.readUInt32BE(20)]
}

// Other tests may keep the machine busy: a Blender then takes its time to start and to render.
jest.setTimeout(90_000)

describe.each(['worker', 'blender-mcp'])('a Blender that speaks %s', (dialect) => {
  /** @type {import('../scripts/blender/worker').Worker} */
  let blender
  let pool

  beforeAll(async () => {
    blender = await startBlender({ dialect })
  })
  afterAll(() => blender?.stop())

  beforeEach(async () => {
    // The dialect is left to the pool to find out.
    pool = newPool({ endpoints: `${blender.host}:${blender.port}`, maxConnections: 4 })
    await pool.execute(
      python('import bpy\nfor item in list(bpy.data.objects): bpy.data.objects.remove(item)'),
      { rejectOnError: true },
    )
  })

  test('is recognised, and every command does what it says', async () => {
    const run = async (type, params) => {
      const { result } = await pool.execute({ type, params }, { rejectOnError: true })
      return result
    }
    expect(pool.endpoints()[0].dialect).toBe(dialect)
    expect(await run('ping')).toMatchObject({ pong: true, pid: blender.pid })

    const made = { kind: 'cube', name: 'Box', location: [1, 2, 3], size: 2, color: [1, 0, 0] }
    expect(await run('create_primitive', made)).toMatchObject({ kind: 'cube', name: 'Box' })
    expect(await run('get_object_info', { name: 'Box' })).toMatchObject({
      type: 'MESH',
      location: [1, 2, 3],
      dimensions: [2, 2, 2],
    })
    await run('execute_code', { code: 'import bpy\nbpy.data.objects["Box"].location.x = 7' })
    expect(await run('get_scene_info')).toMatchObject({
      object_count: 1,
      objects: [{ name: 'Box', type: 'MESH', location: [7, 2, 3] }],
    })
    expect(await run('delete_object', { name: 'Box' })).toEqual({ deleted: 'Box' })
    expect(await run('get_scene_info')).toMatchObject({ object_count: 0 })
    const gone = await pool.execute({ type: 'get_object_info', params: { name: 'Box' } })
    expect(gone).toMatchObject({ success: false, message: 'Object not found: Box' })
  })

  test('runs 100 commands at once, each of them once, over at most 4 connections', async () => {
    await pool.execute(python('import bpy\nbpy.app.driver_namespace["ran"] = []'))
    let open = pool.stats().total
    let peak = open
    pool.on('connectionCreated', () => {
      peak = Math.max(peak, ++open)
    })
    pool.on('connectionClosed', () => open--)

    const ran = 'ran = bpy.app.driver_namespace["ran"]'
    const squares = await Promise.all(
      numbers(100).map(async (n) =>
        told(await pool.execute(telling(`${n} ** 2`, `${ran}; ran.append(${n})`))),
      ),
    )
    expect(squares).toEqual(numbers(100).map((n) => n ** 2))
    const order = told(await pool.execute(telling('ran', ran)))
    expect(order.toSorted((a, b) => a - b)).toEqual(numbers(100))
    expect(peak).toBeLessThanOrEqual(4)
    expect(pool.stats()).toMatchObject({ commandErrors: 0, waiting: 0, inUse: 0, max: 4 })
  })

  test('takes and gives back characters of every length, in names, code and texts', async () => {
    const name = `Größe 立方体 ${MULTIBYTE}`
    const made = await pool.execute({ type: 'create_primitive', params: { name } })
    expect(made.result.name).toBe(name)
    const seen = await pool.execute({ type: 'get_object_info', params: { name } })
    expect(seen.result.name).toBe(name)

    const long = MULTIBYTE.repeat(60_000)
    const [length, echo] = told(
      await pool.execute(telling('[len(größe), größe]', `größe = ${JSON.stringify(long)}`)),
    )
    expect(length).toBe([...long].length)
    expect(echo === long).toBe(true)
  })

  test('renders to bytes and to a file', async () => {
    await pool.execute({ type: 'create_primitive', params: { kind: 'monkey' } })
    const small = { width: 40, height: 30, samples: 1 }
    const bytes = await pool.execute({ type: 'render', params: small }, { rejectOnError: true })
    const image = Buffer.from(bytes.result.data, 'base64')
    expect(sizeOf(image)).toEqual([40, 30])
    expect(image.length).toBe(bytes.result.bytes)

    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'blender-pool-render-'))
    afterwards(() => fs.rm(folder, { recursive: true }))
    const filepath = path.join(folder, 'Bild é.png')
    const params = { ...small, filepath }
    const file = await pool.execute({ type: 'render', params }, { rejectOnError: true })
    expect(file.result).toMatchObject({ filepath, width: 40, height: 30 })
    expect(file.result.data).toBeUndefined()
    expect(sizeOf(await fs.readFile(filepath))).toEqual([40, 30])
  })

  test('carries 8 MB in each direction', async () => {
    const text = 'é→𝄞'.repeat((8 * MIB) / 9)
    const length = await pool.execute(telling('len(text)', `text = ${JSON.stringify(text)}`))
    expect(told(length)).toBe([...text].length)

    const answer = await pool.execute(python(`print("é→𝄞" * ${((8 * MIB) / 9) | 0}, end="")`))
    expect(printed(answer) === text).toBe(true)

    const raw = await pool.execute(python(`print("x" * ${8 * MIB}, end="")`), { raw: true })
    expect(raw.length).toBeGreaterThan(8 * MIB)
    expect(JSON.parse(raw.toString()).status).toBe('success')
  })

  test("answers an error in the code as the caller's own business", async () => {
    const { created } = pool.stats()
    const wrong = python('print("before")\n1 / 0')
    const reply = await pool.execute(wrong)
    expect(reply).toMatchObject({ success: false, status: 'error' })
    expect(reply.message).toContain('ZeroDivisionError')
    // The other add-on has a message and nothing beside it.
    const beside = dialect === 'worker' ? { stdout: 'before\n', traceback: expect.anything() } : {}
    expect(reply).toMatchObject(beside)
    await expect(pool.execute(wrong, { rejectOnError: true })).rejects.toMatchObject({
      code: 'ERR_POOL_COMMAND_FAILED',
      delivered: 'yes',
      message: expect.stringContaining('ZeroDivisionError'),
      details: { reply: { success: false } },
    })
    expect(await pool.execute('no_such_command')).toMatchObject({
      success: false,
      message: 'Unknown command type: no_such_command',
    })
    expect(told(await pool.execute(telling('"alive"')))).toBe('alive')
    // None of it cost a connection.
    expect(pool.stats()).toMatchObject({ created, closed: { error: 0 } })
  })

  test('keeps what one caller prints out of every other result', async () => {
    const replies = await Promise.all(
      numbers(40).map((n) => pool.execute(python(`for _ in range(50): print("caller ${n}")`))),
    )
    expect(replies.map(printed)).toEqual(numbers(40).map((n) => `caller ${n}\n`.repeat(50)))
  })

  test('survives code that ends its process', async () => {
    for (const code of ['import sys\nsys.exit(3)', 'exit()', 'raise KeyboardInterrupt']) {
      expect(await pool.execute(python(code))).toMatchObject({ success: false })
    }
    expect(told(await pool.execute(telling('os.getpid()', 'import os')))).toBe(blender.pid)
  })

  test('loses no queued command when a file is loaded', async () => {
    const { code, reached, open } = await gate()
    const first = pool.execute(python(code))
    await reached()
    const tell = (n) => pool.execute(telling(`${n}`))
    const before = numbers(10).map(tell)
    const load = pool.execute(
      telling('"loaded"', 'bpy.ops.wm.read_homefile(use_factory_startup=True)'),
    )
    const after = numbers(10).map((n) => tell(n + 10))
    open()
    expect(printed(await first)).toBe('')
    expect(printed(await load)).toContain('"loaded"')
    expect((await Promise.all([...before, ...after])).map(told)).toEqual(numbers(20))
    const { result } = await pool.execute('get_scene_info')
    expect(result.objects.map(({ name }) => name)).toContain('Cube')
  })
})
