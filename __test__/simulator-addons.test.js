'use strict'

// What sets one add-on apart from the others, as its source has it: each trap is the simulator's by
// default and can be switched off.

const { Client, given, prefixed, said } = require('./support/client')
const { simLine } = require('./support/dialects')
const { afterwards, simulator } = require('./support/stage')

const kinds = (server) => server.stats().violations.map(({ kind }) => kind)

async function connect(server) {
  const client = await Client.connect(server)
  afterwards(() => client.close())
  return client
}

async function askOnce(server, command, params) {
  const client = await connect(server)
  const reply = await client.ask(command, params)
  await client.close()
  return reply
}

describe.each([
  ['blender-mcp-server', 'python.execute'],
  ['blender-mcp-pro', 'execute_python'],
])('%s', (dialect, runsCode) => {
  test('runs code by its own name, and knows no execute_code', async () => {
    const server = await simulator({ dialect })
    const code = simLine('echo', { n: 1 })
    expect(said(await askOnce(server, 'execute_code', { code }))).toMatch(/Unknown command/)
    expect(given(await askOnce(server, runsCode, { code }))).toMatchObject({ result: { n: 1 } })
  })

  test('calls an exception in the code a success, with the error in its result', async () => {
    const server = await simulator({ dialect })
    const lines = [simLine('print', { text: 'so far' }), simLine('fail', { message: 'no luck' })]
    const reply = await askOnce(server, runsCode, { code: lines.join('\n') })
    expect(reply.success ?? reply.status).toBe(dialect === 'blender-mcp-pro' ? 'ok' : true)
    expect(given(reply)).toMatchObject({
      stdout: 'so far\n',
      error: expect.stringContaining('no luck'),
    })
  })

  test('without the trap an exception in the code is a failure', async () => {
    const server = await simulator({ dialect, codeErrorsSucceed: false })
    const reply = await askOnce(server, runsCode, { code: simLine('fail', { message: 'no luck' }) })
    expect(said(reply)).toBe('Code execution error: no luck')
  })
})

describe('blender-mcp-server', () => {
  const dialect = 'blender-mcp-server'

  test('is mute for good after a file was loaded, on every connection', async () => {
    const server = await simulator({ dialect })
    const [loader, other] = [await connect(server), await connect(server)]
    expect(await loader.ask('load_file')).toMatchObject({ success: true })
    loader.send('echo')
    other.send('echo')
    const late = await connect(server)
    late.send('scene.get_info')
    await server.waitFor(({ lost }) => lost === 3)
    expect([loader, other, late].map(({ bytes }) => bytes.length)).toEqual([0, 0, 0])
    expect([loader, other, late].map(({ ended }) => ended)).toEqual([false, false, false])
    await server.restart()
    expect(await askOnce(server, 'echo')).toMatchObject({ success: true })
  })

  test('without the trap it answers after a file was loaded', async () => {
    const server = await simulator({ dialect, deafAfterLoad: false })
    const client = await connect(server)
    await client.ask('load_file')
    expect(await client.ask('echo')).toMatchObject({ success: true })
  })
})

describe('category-action', () => {
  const dialect = 'category-action'

  test('answers what is no command of its with the id it came with', async () => {
    const server = await simulator({ dialect })
    const client = await connect(server)
    client.write('{"type":"execute","id":"probe","command":"ping","params":{}}\n')
    expect(await client.reply()).toMatchObject({
      id: 'probe',
      success: false,
      error: { code: 'UNKNOWN_MESSAGE_TYPE', message: 'Unknown message type: execute' },
    })
    expect(kinds(server)).toEqual(['badEnvelope'])
  })

  test('decodes 4 KiB at a time, so a read that ends inside a character closes the connection', async () => {
    const server = await simulator({ dialect })
    const request = (text) =>
      `{"id":"1","type":"command","category":"sim","action":"echo","params":{"t":${text}}}\n`
    const raw = await connect(server)
    // Of three bytes each: one read or another must end inside.
    raw.write(request(`"${'→'.repeat(10_000)}"`))
    await raw.closed
    expect(kinds(server)[0]).toBe('invalidUtf8')
    const escaped = await connect(server)
    escaped.write(request(`"${'\\u2192'.repeat(10_000)}"`))
    expect((await escaped.reply()).data.t).toBe('→'.repeat(10_000))
  })

  test('puts connections that come and go into a running code’s output', async () => {
    const server = await simulator({ dialect })
    const client = await connect(server)
    client.send('utility.execute_python', { code: simLine('hold') })
    await server.waitFor(({ commands }) => commands[0]?.state === 'running')
    await (await connect(server)).close()
    await server.waitFor(({ connects, open }) => connects === 2 && open === 1)
    server.release()
    expect((await client.reply()).data.output).toMatch(/Connected to client/)
    expect(kinds(server)).toEqual(expect.arrayContaining(['dialWhileRunning', 'closeWhileRunning']))
  })
})

describe('blender-ai-mcp', () => {
  const dialect = 'blender-ai-mcp'

  test('serves one client; the next is let in and read only when that one is gone', async () => {
    const server = await simulator({ dialect })
    const [first, second] = [await connect(server), await connect(server)]
    second.send('ping')
    expect(await first.ask('ping')).toMatchObject({ status: 'ok' })
    await server.waitFor(({ open }) => open === 2)
    expect(server.stats().received).toBe(1)
    await first.close()
    expect(await second.reply()).toMatchObject({ request_id: '1', status: 'ok' })
  })

  test('answers a ping while Blender is busy, though not while it answers another command', async () => {
    const server = await simulator({ dialect })
    const client = await connect(server)
    server.freeze()
    client.send('ping')
    server.thaw()
    expect(await client.reply()).toMatchObject({ status: 'ok', result: { pong: true } })
    expect(server.stats().commands[0].runs).toBe(0)
  })

  test.each([
    ['no command', { request_id: '7' }, '7'],
    ['no id', { cmd: 'echo' }, null],
    ['an id that Python holds for false', { request_id: 0, cmd: 'echo' }, 0],
  ])('refuses a request with %s', async (_what, request, id) => {
    const server = await simulator({ dialect })
    const client = await connect(server)
    client.write(prefixed(JSON.stringify(request)))
    const error = 'Missing request_id or cmd'
    expect(await client.reply()).toEqual({ request_id: id, status: 'error', error })
  })

  test('closes the connection on bytes that are no text', async () => {
    const server = await simulator({ dialect })
    const client = await connect(server)
    client.write(Buffer.from([0, 0, 0, 2, 0xff, 0xfe]))
    await client.closed
    expect(kinds(server)).toEqual(['invalidUtf8'])
  })

  test('takes text without a length for a length of 2 GB, and waits', async () => {
    const server = await simulator({ dialect })
    const client = await connect(server)
    client.write('{"type":"ping"}\n\0')
    await client.close()
    await server.waitFor(({ open }) => open === 0)
    expect(server.stats()).toMatchObject({ received: 0, violations: [] })
  })
})

describe.each(['blender-mcp-pro', 'niua'])('%s', (dialect) => {
  test('closes the connection after one reply', async () => {
    const server = await simulator({ dialect })
    const client = await connect(server)
    client.send('echo', { n: 1 })
    client.send('echo', { n: 2 })
    expect(await client.reply()).toMatchObject({ result: { n: 1 } })
    await client.closed
    expect(server.stats()).toMatchObject({ received: 1, answered: 1 })
    expect(kinds(server)).toEqual(['secondRequest'])
  })

  test('loses nothing when a file is loaded', async () => {
    const server = await simulator({ dialect })
    const [holder, loader, waiting] = [
      await connect(server),
      await connect(server),
      await connect(server),
    ]
    holder.send('hold')
    await server.waitFor(({ commands }) => commands[0]?.state === 'running')
    loader.send('load_file')
    await server.waitFor(({ received }) => received === 2)
    waiting.send('echo', { n: 1 })
    await server.waitFor(({ received }) => received === 3)
    server.release()
    expect(await waiting.reply()).toMatchObject({ result: { n: 1 } })
    expect(server.stats().lost).toBe(0)
  })
})

test('blender-mcp-pro prints what it receives, also into a running code’s output', async () => {
  const server = await simulator({ dialect: 'blender-mcp-pro' })
  const [client, other] = [await connect(server), await connect(server)]
  client.send('execute_python', { code: simLine('hold') })
  await server.waitFor(({ commands }) => commands[0]?.state === 'running')
  await (await connect(server)).close()
  other.send('echo')
  await server.waitFor(({ received }) => received === 2)
  server.release()
  expect((await client.reply()).result.stdout).toBe('Received command: echo\n')
  expect(kinds(server)).toEqual(['overlapping'])
})

test('niua takes a missing payload for an empty one', async () => {
  const server = await simulator({ dialect: 'niua' })
  for (const payload of [undefined, null]) {
    const client = await connect(server)
    client.send('echo', payload)
    expect(await client.reply()).toEqual({ ok: true, result: {} })
  }
})
