'use strict'

// The MCP server of examples/mcp-server, driven by the official client: what its tools ask for and answer, and
// what an assistant reads when something goes wrong.

const { buildServer } = require('./support/mcp-build')
const { expectGoodEnd, startServer } = require('./support/mcp-host')
const { simLine } = require('./support/dialects')
const { closedPort, rawServer, simulator, workerReply, workerServer } = require('./support/stage')

const numbers = (count) => Array.from({ length: count }, (_, index) => index)
const print = (text) => ({ code: simLine('print', { text }) })

// It is compiled first, with all of the SDK's types.
jest.setTimeout(90_000)

let built

beforeAll(() => {
  built = buildServer({ checked: true })
})
afterAll(() => built.remove())

/** @param {{ host: string, port: number }} blender @param {Record<string, string>} [env] */
const serverFor = ({ host = '127.0.0.1', port }, env) =>
  startServer(built.main, { BLENDER_HOST: host, BLENDER_PORT: `${port}`, ...env })

/** A Blender that speaks as the popular add-on does. */
const newBlender = (options) => simulator({ dialect: 'blender-mcp', ...options })

const running = (blender, count = 1) =>
  blender.waitFor(({ commands }) => {
    const held = commands.filter(({ command, state }) => {
      return command === 'execute_code' && state === 'running'
    })
    return held.length === count
  })

test('it compiles under its own strict settings', () => {
  expect(built.complaints).toBe('')
})

describe('without a Blender', () => {
  test('it starts at once, and a call says what to do', async () => {
    const server = await serverFor({ port: await closedPort() })
    expect(server.client.getInstructions()).toMatch(/one command at a time/)
    const { isError, text } = await server.call('get_scene_info')
    expect(isError).toBe(true)
    expect(text).toMatch(
      /^cannot connect to .+ \[ERR_POOL_CONNECT\]\nNothing listens there\. Start Blender/,
    )
    expect(text).toMatch(/delivered: no\. Blender was not sent anything/)
    await server.client.close()
    await expectGoodEnd(server)
  })

  test('it starts at once where something listens that never answers', async () => {
    const silent = await rawServer(() => {})
    const server = await serverFor(silent, { BLENDER_TIMEOUT_MS: '1000' })
    expect((await server.client.listTools()).tools).toHaveLength(4)
    const { isError, text } = await server.call('execute_code', { code: 'pass' })
    expect(isError).toBe(true)
    expect(text).toContain('delivered: no')
    await server.client.close()
    await expectGoodEnd(server)
  })

  test.each([
    [
      { BLENDER_ENDPOINTS: 'example.com:9876' },
      /: BLENDER_ENDPOINTS\[0\]: .*, set BLENDER_ALLOW_REMOTE=1\.$/,
    ],
    [{ BLENDER_HOST: '192.0.2.1' }, /BLENDER_HOST: .*, set BLENDER_ALLOW_REMOTE=1\.$/],
    [{ BLENDER_ENDPOINTS: 'a=127.0.0.1:1, a=127.0.0.1:2' }, /ERR_POOL_INVALID_OPTION/],
    [{ BLENDER_DIALECT: 'blender-mpc' }, /: BLENDER_DIALECT is .*blender-mcp/],
    [{ BLENDER_TIMEOUT_MS: 'soon' }, /BLENDER_TIMEOUT_MS must be a number from 1000 to 230000/],
  ])('it refuses the settings %j in its log', async (env, why) => {
    const error = await startServer(built.main, env).catch((reason) => reason)
    expect(error).toMatchObject({ code: 1, output: '' })
    expect(error.log).toHaveLength(1)
    expect(error.log[0]).toMatch(why)
  })
})

describe('its tools', () => {
  test('have names, limits and hints', async () => {
    const server = await serverFor(await newBlender())
    const { tools } = await server.client.listTools()
    const seen = tools.map(({ name, inputSchema, annotations, outputSchema }) => ({
      name,
      asks: Object.keys(inputSchema.properties),
      needs: inputSchema.required ?? [],
      strict: inputSchema.additionalProperties === false,
      readOnly: annotations.readOnlyHint === true,
      destructive: annotations.destructiveHint === true,
      data: outputSchema !== undefined,
    }))
    const usual = { needs: [], strict: true, readOnly: false, destructive: false, data: false }
    expect(seen).toEqual([
      { ...usual, name: 'get_scene_info', asks: ['limit'], readOnly: true, data: true },
      {
        ...usual,
        name: 'create_object',
        asks: ['type', 'name', 'location', 'rotation', 'scale'],
        needs: ['type'],
        data: true,
      },
      { ...usual, name: 'execute_code', asks: ['code'], needs: ['code'], destructive: true },
      {
        ...usual,
        name: 'render',
        asks: ['width', 'height', 'samples', 'engine'],
        readOnly: true,
      },
    ])
    await server.client.close()
    await expectGoodEnd(server)
  })

  test.each([
    ['create_object', { type: 'ball' }, /"cube".*"monkey"/],
    ['create_object', { type: 'cube', location: [1, 2] }, /3 items at location/],
    ['create_object', { type: 'cube', size: 3 }, /size/],
    ['execute_code', {}, /code/],
    ['render', { width: 100_000 }, /1024 at width/],
    ['paint', {}, /paint not found/],
  ])('%s refuses %j, and Blender hears nothing of it', async (name, args, why) => {
    const blender = await newBlender()
    const server = await serverFor(blender)
    expect(await server.call(name, args)).toMatchObject({
      isError: true,
      text: expect.stringMatching(why),
    })
    const { commands } = blender.stats()
    expect(commands.filter(({ command }) => command === 'execute_code')).toEqual([])
  })

  test('send their arguments as they are, and answer with data and images', async () => {
    const png = Buffer.from('not quite a PNG').toString('base64')
    const place = { location: [1, 2, 3], rotation: [0, 0, 45], scale: [1, 1, 1] }
    const asked = []
    const blender = await workerServer(({ id, params }, socket) => {
      const [, literal] = /^args = json\.loads\((".*")\)$/m.exec(params.code)
      const args = JSON.parse(JSON.parse(literal))
      asked.push(args)
      const item = { name: `${args.name}.001`, type: 'MESH', ...place }
      const scene = { name: 'Scene', file: '', frame: 1, camera: null, object_count: 1 }
      const answer = args.type
        ? item
        : args.limit
          ? { ...scene, objects: [item] }
          : { png, engine: 'CYCLES' }
      const stdout = `=> not this\nsome noise\n=> ${JSON.stringify(answer)}\nmore noise`
      socket.write(workerReply(id, { executed: true, stdout }))
    })
    const server = await serverFor(blender, { BLENDER_DIALECT: 'worker' })

    const name = 'Größe "立方体"\n\\𝄞'
    const created = { type: 'cube', name, ...place }
    const object = await server.call('create_object', created)
    expect(object.structuredContent).toEqual({ name: `${name}.001`, type: 'MESH', ...place })
    expect(JSON.parse(object.text)).toEqual(object.structuredContent)

    const scene = await server.call('get_scene_info', { limit: 7 })
    expect(scene.structuredContent).toMatchObject({ camera: null, object_count: 1 })

    const image = await server.call('render', { width: 64, height: 48 })
    expect(image.content[0]).toEqual({ type: 'image', data: png, mimeType: 'image/png' })
    expect(image.text).toBe('64 x 48, rendered with CYCLES')

    expect(asked).toEqual([
      created,
      { limit: 7 },
      { width: 64, height: 48, samples: 16, engine: 'CYCLES' },
    ])
  })

  test.each([
    ['nothing', '', /printed no answer/],
    ['what is not JSON', '=> {', /JSON/],
    ['something else', '=> {"name": 7}', /name/],
  ])('answer with an error where Blender answers %s', async (_what, stdout, why) => {
    const blender = await workerServer(({ id }, socket) => {
      socket.write(workerReply(id, { executed: true, stdout }))
    })
    const server = await serverFor(blender, { BLENDER_DIALECT: 'worker' })
    expect(await server.call('get_scene_info')).toMatchObject({
      isError: true,
      text: expect.stringMatching(why),
    })
    await server.client.close()
    await expectGoodEnd(server)
  })

  test('answer each of many calls at once with what is its own', async () => {
    const blender = await newBlender()
    const server = await serverFor(blender)
    const answers = await Promise.all(
      numbers(50).map((n) => server.call('execute_code', print(`caller ${n}`))),
    )
    expect(answers.map(({ text }) => text.trim())).toEqual(numbers(50).map((n) => `caller ${n}`))
    expect(blender.stats().violations).toEqual([])
  })

  test("answer with Blender's own error, and with what the code had printed", async () => {
    const blender = await newBlender({ dialect: 'blender-lab' })
    const server = await serverFor(blender, { BLENDER_DIALECT: 'blender-lab' })
    const failed = { status: 'error', message: 'ValueError: boom', stdout: 'so far' }
    // Not the pool's own ping, which is code as well.
    const match = ({ params }) => params?.code === 'pass'
    blender.setFaults({ match, garbage: `${JSON.stringify(failed)}\0`, times: 1 })
    const { isError, text } = await server.call('execute_code', { code: 'pass' })
    expect(isError).toBe(true)
    expect(text).toMatch(
      /^Blender reports: ValueError: boom\nIt printed:\nso far\ndelivered: yes\. /,
    )
    expect(await server.call('execute_code', print('alive'))).toMatchObject({ text: 'alive\n' })
  })

  test('shorten what is too long to read', async () => {
    const server = await serverFor(await newBlender())
    const { text } = await server.call('execute_code', print('x'.repeat(50_000)))
    expect(text).toMatch(/^x{40000}\n\[\d+ more characters; /)
  })

  test('go to the Blender that a call names, and else always to the first', async () => {
    const [left, right] = await Promise.all([newBlender(), newBlender()])
    const server = await startServer(built.main, {
      BLENDER_ENDPOINTS: `left=${left.address}, right=${right.address}`,
    })
    const { tools } = await server.client.listTools()
    for (const { inputSchema } of tools) {
      expect(inputSchema.properties.blender.enum).toEqual(['left', 'right'])
    }
    await Promise.all(numbers(5).map(() => server.call('execute_code', print('any'))))
    await server.call('execute_code', { ...print('that one'), blender: 'right' })
    const codes = ({ commands }) => commands.filter(({ command }) => command === 'execute_code')
    expect([codes(left.stats()).length, codes(right.stats()).length]).toEqual([5, 1])
    const wrong = await server.call('execute_code', { ...print('x'), blender: 'middle' })
    expect(wrong).toMatchObject({ isError: true, text: expect.stringMatching(/"left"\|"right"/) })
  })
})

describe('a call that takes long', () => {
  const hold = { code: `${simLine('hold', {})}\n${simLine('print', { text: 'held' })}` }

  test('tells of its progress', async () => {
    const blender = await newBlender()
    const server = await serverFor(blender)
    const told = []
    const answer = server.call('execute_code', hold, {
      onprogress: ({ progress, message }) => {
        told.push([progress, message])
        if (told.length === 2) blender.release()
      },
    })
    expect((await answer).text).toBe('held\n')
    expect(told.slice(0, 2)).toEqual([
      [1, 'Blender has been at it for 1 s'],
      [2, 'Blender has been at it for 2 s'],
    ])
  })

  test.each([
    'blender-mcp',
    'worker',
  ])('can be cancelled while it runs and while it waits, with %s', async (dialect) => {
    const blender = await newBlender({ dialect })
    const server = await serverFor(blender)
    const [first, second] = [new AbortController(), new AbortController()]
    const held = server.call('execute_code', hold, { signal: first.signal })
    await running(blender)
    const waiting = server.call('execute_code', print('never'), { signal: second.signal })
    const third = server.call('execute_code', print('third'))
    // Both calls are in the pool's queue by then: a call cancelled on its way there never reaches the pool.
    await server.client.ping()
    second.abort('no longer wanted')
    await expect(waiting).rejects.toThrow('no longer wanted')
    await server.said(/cancelled; delivered: no$/)
    first.abort('no longer wanted')
    await expect(held).rejects.toThrow('no longer wanted')
    await server.said(/cancelled; delivered: maybe$/)
    blender.release()
    expect((await third).text).toBe('third\n')
    const sent = blender.stats().commands.map(({ params }) => params?.code)
    expect(sent).not.toContain(print('never').code)
    await server.client.close()
    await expectGoodEnd(server)
  })

  test('ends with its deadline, and says that it may have run', async () => {
    const blender = await newBlender()
    const server = await serverFor(blender, { BLENDER_TIMEOUT_MS: '3000' })
    // Connecting is part of the budget, too: not of this call's.
    await server.call('execute_code', print('connected'))
    const { isError, text } = await server.call('execute_code', hold)
    expect(isError).toBe(true)
    expect(text).toMatch(/ERR_POOL_COMMAND_TIMEOUT/)
    expect(text).toMatch(/delivered: maybe\. Blender may have run it/)
    blender.release()
    expect((await server.call('execute_code', print('next'))).text).toBe('next\n')
  })

  test('of a tool that changes nothing says only to call it again', async () => {
    const blender = await workerServer((_command, socket) => socket.destroy())
    const server = await serverFor(blender, { BLENDER_DIALECT: 'worker' })
    for (const name of ['get_scene_info', 'render']) {
      const { isError, text } = await server.call(name)
      expect(isError).toBe(true)
      expect(text).toMatch(
        /^[^\n]+ \[ERR_POOL_CONNECTION_LOST\]\ndelivered: maybe\. It changes nothing: call it again\.$/,
      )
    }
    await server.client.close()
    await expectGoodEnd(server)
  })

  test('is lost when Blender dies, and says so; those that waited go to the next Blender', async () => {
    const blender = await newBlender()
    const server = await serverFor(blender)
    const lost = server.call('execute_code', hold)
    await running(blender)
    const waiting = server.call('execute_code', print('waited'))
    await blender.kill()
    const { isError, text } = await lost
    expect(isError).toBe(true)
    expect(text).toMatch(/ERR_POOL_CONNECTION_LOST/)
    expect(text).toMatch(/delivered: maybe\. Blender may have run it/)
    await blender.restart()
    expect((await waiting).text).toBe('waited\n')
    expect((await server.call('execute_code', print('later'))).text).toBe('later\n')
    await server.client.close()
    await expectGoodEnd(server)
  })
})
