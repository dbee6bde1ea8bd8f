'use strict'

// The MCP server of examples/mcp-server in front of a real Blender: an assistant builds a scene, looks at it and
// renders it, and Blender is closed, killed and started again under its hands.

const { startBlender } = require('./support/blender')
const { gate } = require('./support/gate')
const { buildServer } = require('./support/mcp-build')
const { expectGoodEnd, startServer } = require('./support/mcp-host')
const { afterwards, closedPort } = require('./support/stage')

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const numbers = (count) => Array.from({ length: count }, (_, index) => index)
const pid = { code: 'import os; print(os.getpid())' }

// Other tests may keep the machine busy: a Blender then takes its time to start and to render.
jest.setTimeout(90_000)

let built

beforeAll(() => {
  built = buildServer()
})
afterAll(() => built.remove())

async function newBlender(options) {
  const blender = await startBlender(options)
  afterwards(async () => {
    if (blender.process.exitCode !== null || blender.process.signalCode !== null) return
    await blender.stop()
  })
  return blender
}

const serverFor = ({ port }) =>
  startServer(built.main, { BLENDER_HOST: '127.0.0.1', BLENDER_PORT: `${port}` })

async function end(server) {
  server.child.stdin.end()
  await expectGoodEnd(server)
}

describe.each(['worker', 'blender-mcp'])('with a Blender that speaks %s', (dialect) => {
  test('an assistant builds a scene, looks at it and renders it', async () => {
    const server = await serverFor(await newBlender({ dialect }))
    const name = 'Größe "立方体"\n\\𝄞'
    const place = { location: [1, -2, 0.5], rotation: [0, 0, 45], scale: [1, 2, 3] }
    const made = await server.call('create_object', { type: 'monkey', name, ...place })
    expect(made.structuredContent).toEqual({ name, type: 'MESH', ...place })
    const again = await server.call('create_object', { type: 'cube', name })
    expect(again.structuredContent.name).toBe(`${name}.001`)

    const blind = await server.call('render', { width: 40, height: 30, samples: 1 })
    expect(blind).toMatchObject({
      isError: true,
      text: expect.stringMatching(/^Blender reports: .*no camera[\s\S]*\ndelivered: yes\./),
    })
    const camera = { type: 'camera', location: [0, 0, 9] }
    expect((await server.call('create_object', camera)).structuredContent.type).toBe('CAMERA')
    await server.call('create_object', { type: 'light' })

    const scene = await server.call('get_scene_info', { limit: 3 })
    expect(scene.structuredContent).toMatchObject({ camera: 'Camera', object_count: 4 })
    expect(scene.structuredContent.objects).toHaveLength(3)
    expect(scene.structuredContent.objects[0]).toEqual(made.structuredContent)

    const settings = {
      code: 'import bpy; r = bpy.context.scene.render; print(r.engine, r.resolution_x, r.filepath)',
    }
    const before = await server.call('execute_code', settings)
    const picture = await server.call('render', { width: 40, height: 30, samples: 1 })
    expect(picture.text).toBe('40 x 30, rendered with CYCLES')
    const [{ type, mimeType, data }] = picture.content
    expect({ type, mimeType }).toEqual({ type: 'image', mimeType: 'image/png' })
    const png = Buffer.from(data, 'base64')
    expect(png.subarray(0, 8)).toEqual(PNG)
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([40, 30])
    expect((await server.call('execute_code', settings)).text).toBe(before.text)
    await end(server)
  })

  test('every call at once has its own answer, and an error in one is its own', async () => {
    const server = await serverFor(await newBlender({ dialect }))
    const answers = await Promise.all(
      numbers(30).map((n) => server.call('execute_code', { code: `print(${n} / (${n} % 10))` })),
    )
    for (const n of numbers(30)) {
      const { isError = false, text } = answers[n]
      expect(isError).toBe(n % 10 === 0)
      if (isError) expect(text).toMatch(/^Blender reports: .*division by zero.*delivered: yes\./s)
      else expect(Number(text)).toBe(n / (n % 10))
    }
    await end(server)
  })

  test('a killed Blender costs the call that ran, and the next Blender serves the rest', async () => {
    const blender = await newBlender({ dialect })
    const server = await serverFor(blender)
    const { code, reached } = await gate()
    const lost = server.call('execute_code', { code })
    await reached()
    process.kill(blender.pid, 'SIGKILL')
    const { isError, text } = await lost
    expect(isError).toBe(true)
    expect(text).toMatch(/ERR_POOL_CONNECTION_LOST.*delivered: maybe/s)
    await blender.exited
    const refused = await server.call('execute_code', pid)
    expect(refused).toMatchObject({ isError: true, text: expect.stringMatching(/delivered: no/) })

    const next = await newBlender({ dialect, port: blender.port })
    await served(server, next)
    await server.said(/ is up again/)
    await end(server)
  })

  test('a server that started without a Blender serves the one that comes', async () => {
    const port = await closedPort()
    const server = await serverFor({ port })
    const refused = await server.call('get_scene_info')
    expect(refused).toMatchObject({ isError: true, text: expect.stringMatching(/Start Blender/) })
    await served(server, await newBlender({ dialect, port }))
    await end(server)
  })

  test('a cancelled call lets go at once, and the next is served when Blender is done', async () => {
    const blender = await newBlender({ dialect })
    const server = await serverFor(blender)
    const { code, reached, open } = await gate()
    const controller = new AbortController()
    const cancelled = server.call('execute_code', { code }, { signal: controller.signal })
    await reached()
    controller.abort('enough')
    await expect(cancelled).rejects.toThrow('enough') // while Blender still runs it: the gate is shut
    await server.said(/cancelled; delivered: maybe$/)
    const next = server.call('execute_code', pid)
    open()
    expect(Number((await next).text)).toBe(blender.pid)
    await end(server)
  })

  test('SIGTERM in the middle of a call ends the server and leaves Blender alone', async () => {
    const blender = await newBlender({ dialect })
    const server = await serverFor(blender)
    const { code, reached, open } = await gate()
    const cut = server.call('execute_code', { code })
    await reached()
    server.child.kill('SIGTERM')
    expect((await cut).text).toMatch(/ERR_POOL_CLOSED.*delivered: maybe/s)
    await expectGoodEnd(server)
    open()
    const after = await serverFor(blender)
    expect(Number((await after.call('execute_code', pid)).text)).toBe(blender.pid)
    await end(after)
  })
})

/** By itself, without being told; a breaker may hold it off for a moment, and says so. */
async function served(server, blender) {
  for (;;) {
    const { isError, text } = await server.call('execute_code', pid)
    if (!isError) {
      expect(Number(text)).toBe(blender.pid)
      return
    }
    expect(text).toMatch(/delivered: no/)
  }
}
