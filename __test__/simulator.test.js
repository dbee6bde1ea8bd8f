'use strict'

const { execFile } = require('node:child_process')
const { mkdtemp, rm } = require('node:fs/promises')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { promisify } = require('node:util')

const { bigText, startNarrowListener, startSimulator } = require('../simulator')
const { Client, ENVELOPES, PREFIXED, given, prefixed, said } = require('./support/client')
const { DIALECTS, PER_REQUEST, WARM, code, simLine } = require('./support/dialects')

const REPOSITORY = join(__dirname, '..')

/** Those whose ids are text. */
const IDS_OF_TEXT = ['category-action', 'blender-ai-mcp']

/** What each add-on calls the simulator's commands. */
const NAMES = {
  'blender-mcp-server': {
    create_primitive: 'object.create_mesh',
    get_scene_info: 'scene.get_info',
    get_object_info: 'object.get_transform',
    delete_object: 'object.delete',
    render: 'render.still',
  },
  'category-action': {
    create_primitive: 'object.create',
    get_scene_info: 'scene.get_info',
    get_object_info: 'object.get_info',
    delete_object: 'object.delete',
    render: 'render.image',
  },
  'blender-ai-mcp': {
    create_primitive: 'modeling.create_primitive',
    get_scene_info: 'scene.list_objects',
    get_object_info: 'scene.inspect_object',
    delete_object: 'scene.delete_object',
  },
  'blender-mcp-pro': { create_primitive: 'create_object', render: 'render_image' },
  niua: {
    create_primitive: 'object.create',
    get_scene_info: 'scene.info',
    get_object_info: 'object.transform_get',
    delete_object: 'object.delete',
    render: 'render.still',
  },
}
const nameOf = (dialect, command) => NAMES[dialect]?.[command] ?? command

let simulators
let clients

beforeEach(() => {
  simulators = []
  clients = []
})

afterEach(async () => {
  for (const client of clients) client.close()
  for (const simulator of simulators) {
    await simulator.close()
    expect(simulator.stats()).toMatchObject({ open: 0, inFlight: 0 })
  }
})

async function start(options) {
  const simulator = await startSimulator(options)
  simulators.push(simulator)
  return simulator
}

async function connect(target) {
  const client = await Client.connect(target)
  clients.push(client)
  return client
}

/** A command on a connection of its own, which every dialect allows. */
async function askOnce(target, command, params) {
  const client = await connect(target)
  const reply = await client.ask(command, params)
  await client.close()
  return reply
}

/** Resolves once the main thread is kept busy by `hold`, which `simulator.release()` ends. */
async function occupy(simulator, client, command = 'hold', params = {}) {
  client.send(command, params)
  await simulator.waitFor((stats) => stats.commands.some(({ state }) => state === 'running'))
}

const kinds = (simulator) => simulator.stats().violations.map(({ kind }) => kind)
const states = (simulator) => simulator.stats().commands.map(({ state }) => state)

describe.each(DIALECTS)('the %s dialect', (dialect) => {
  test('answers in its own envelope', async () => {
    const simulator = await start({ dialect })
    const reply = await askOnce(simulator, 'echo', { text: 'é→𝄞' })
    expect(reply).toEqual(
      {
        worker: { id: 1, status: 'success', result: { text: 'é→𝄞' } },
        'blender-mcp': { status: 'success', result: { text: 'é→𝄞' } },
        'blender-lab': { status: 'ok', result: { text: 'é→𝄞' } },
        'blender-mcp-server': { id: 1, success: true, result: { text: 'é→𝄞' } },
        'category-action': { id: '1', success: true, data: { text: 'é→𝄞' } },
        'blender-ai-mcp': { request_id: '1', status: 'ok', result: { text: 'é→𝄞' } },
        'blender-mcp-pro': { status: 'ok', result: { text: 'é→𝄞' } },
        niua: { ok: true, result: { text: 'é→𝄞' } },
      }[dialect],
    )
  })

  test('says what failed in its own envelope', async () => {
    const simulator = await start({ dialect })
    const reply = await askOnce(simulator, 'fail', { message: 'no such luck' })
    expect(reply).toEqual(
      {
        worker: { id: 1, status: 'error', message: 'no such luck' },
        'blender-mcp': { status: 'error', message: 'no such luck' },
        'blender-lab': { status: 'error', message: 'Code execution error: no such luck' },
        'blender-mcp-server': { id: 1, success: false, error: 'no such luck' },
        'category-action': {
          id: '1',
          success: false,
          error: {
            code: 'EXECUTION_ERROR',
            message: 'no such luck',
            suggestion: expect.any(String),
          },
        },
        'blender-ai-mcp': { request_id: '1', status: 'error', error: 'no such luck' },
        'blender-mcp-pro': {
          status: 'error',
          message: 'no such luck',
          hint: expect.any(String),
          traceback: expect.stringContaining('no such luck'),
        },
        niua: { ok: false, error: { code: 'handler_error', message: 'no such luck' } },
      }[dialect],
    )
  })

  test('does not know every command', async () => {
    const simulator = await start({ dialect })
    const reply = await askOnce(simulator, 'toString')
    expect(said(reply)).toMatch(/unknown (command|action)( type)?: '?toString\b/i)
  })

  test('has one name for each command, its own', async () => {
    const simulator = await start({ dialect })
    for (const [known, own] of Object.entries(NAMES[dialect] ?? {})) {
      expect(said(await askOnce(simulator, known))).toMatch(/unknown (command|action)/i)
      expect(said(await askOnce(simulator, own)) ?? '').not.toMatch(/unknown/i)
    }
    const lenient = await start({ dialect, ownNamesOnly: false })
    expect(given(await askOnce(lenient, 'get_scene_info'))).toMatchObject({ name: 'Scene' })
  })

  test('keeps a scene that can be built, queried, rendered and emptied', async () => {
    const simulator = await start({ dialect })
    const ask = (command, params) => askOnce(simulator, nameOf(dialect, command), params)
    const made = await ask('create_primitive', { kind: 'cube', location: [1, 2, 3] })
    expect(given(made).name).toBe('Cube.001')
    const info = await ask('get_scene_info')
    expect(given(info).objects.map(({ name }) => name)).toContain('Cube.001')
    const object = await ask('get_object_info', { name: 'Cube.001' })
    expect(given(object).location).toEqual([1, 2, 3])
    const image = await ask('render', { width: 8, height: 4 })
    const png = Buffer.from(given(image).data, 'base64')
    expect(png.subarray(1, 4).toString()).toBe('PNG')
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([8, 4])
    await ask('delete_object', { name: 'Cube.001' })
    const gone = await ask('get_object_info', { name: 'Cube.001' })
    expect(said(gone)).toMatch('Object not found: Cube.001')
  })

  test('runs the lines of a code string that are meant for it', async () => {
    const simulator = await start({ dialect })
    const lines = ['import bpy', simLine('print', { text: 'hello' }), simLine('echo', { n: 7 })]
    const { type, params } = code(dialect, lines.join('\n'))
    // One add-on runs no code.
    if (dialect === 'blender-ai-mcp') return expect(type).toBe('echo')
    const reply = await askOnce(simulator, type, params)
    const outcome = dialect === 'blender-lab' ? reply : given(reply)
    expect(outcome).toMatchObject(
      {
        worker: { executed: true, stdout: 'hello\n', result: { n: 7 } },
        'blender-mcp': { executed: true, result: 'hello\n', value: { n: 7 } },
        'blender-lab': { stdout: 'hello\n', result: { n: 7 } },
        'blender-mcp-server': { stdout: 'hello\n', result: { n: 7 }, error: null },
        'category-action': { output: 'hello\n', value: { n: 7 } },
        'blender-mcp-pro': { stdout: 'hello\n', stderr: '', result: { n: 7 } },
        niua: { ok: true, value: { n: 7 } },
      }[dialect],
    )
  })

  test('gives replies of any size, whole', async () => {
    const simulator = await start({ dialect })
    for (const bytes of [0, 1, 70_000, 1_000_003]) {
      const result = given(await askOnce(simulator, 'big', { bytes, multibyte: true }))
      expect(Buffer.byteLength(result)).toBe(bytes)
      expect(result === bigText(bytes, true)).toBe(true)
    }
  })

  test('runs commands one at a time, in order of arrival', async () => {
    const simulator = await start({
      dialect,
      loadFileDropsQueue: false,
      oneConnectionAtATime: false,
    })
    await occupy(simulator, await connect(simulator))
    const others = []
    for (let n = 1; n <= 5; n++) {
      others.push(await connect(simulator))
      others.at(-1).send('echo', { n })
      await simulator.waitFor(({ received }) => received === n + 1)
    }
    expect(simulator.stats().peakInFlight).toBe(6)
    const order = []
    simulator.on(({ event, command }) => event === 'run' && order.push(command.seq))
    simulator.release()
    const replies = await Promise.all(others.map((client) => client.reply()))
    expect(replies.map((reply) => given(reply).n)).toEqual([1, 2, 3, 4, 5])
    expect(order).toEqual([2, 3, 4, 5, 6])
  })

  test('answers what is no command with an error, or waits for more', async () => {
    const simulator = await start({ dialect })
    const client = await connect(simulator)
    const ends = { 'blender-mcp': '', 'blender-lab': '\0' }
    const broken = '{"a":]}'
    client.write(PREFIXED.includes(dialect) ? prefixed(broken) : broken + (ends[dialect] ?? '\n'))
    await simulator.waitFor(({ violations }) => violations.length === 1)
    if (dialect === 'blender-mcp') return expect(kinds(simulator)).toEqual(['wedged'])
    const reply = await client.reply()
    expect(said(reply)).toBe('Invalid JSON')
    expect(kinds(simulator)).toEqual(['invalidJson'])
    if (dialect === 'category-action') expect(reply.id).toBe('unknown')
    if (dialect === 'blender-ai-mcp') expect(Object.keys(reply)).toEqual(['status', 'error'])
    if (PER_REQUEST.includes(dialect) && dialect !== 'blender-lab') await client.closed
  })
})

describe.each(WARM)('a connection of %s', (dialect) => {
  test('takes one command after another', async () => {
    const simulator = await start({ dialect })
    const client = await connect(simulator)
    for (let n = 0; n < 3; n++) expect(given(await client.ask('echo', { n }))).toEqual({ n })
    expect(simulator.stats()).toMatchObject({
      open: 1,
      peak: 1,
      connects: 1,
      received: 3,
      answered: 3,
      lost: 0,
      inFlight: 0,
      violations: [],
    })
    expect(simulator.stats().commands[2]).toMatchObject({
      seq: 3,
      socket: 1,
      id: dialect === 'blender-mcp' ? null : IDS_OF_TEXT.includes(dialect) ? '3' : 3,
      command: 'echo',
      params: { n: 2 },
      state: 'answered',
      runs: 1,
    })
  })

  test('takes a request byte by byte', async () => {
    const simulator = await start({ dialect })
    const client = await connect(simulator)
    for (const byte of Buffer.from(ENVELOPES[dialect]('echo', { a: '}"\\{' }, 1))) {
      await new Promise((resolve) => client.socket.write(Buffer.of(byte), resolve))
    }
    expect(given(await client.reply())).toEqual({ a: '}"\\{' })
  })
})

describe('the traps', () => {
  test('a worker answers ping at once, however busy Blender is', async () => {
    const simulator = await start({ dialect: 'worker' })
    await occupy(simulator, await connect(simulator))
    expect(await askOnce(simulator, 'ping')).toMatchObject({ result: { pong: true } })
    simulator.release()
  })

  test('an add-on may not know ping, and lives', async () => {
    const simulator = await start({ dialect: 'blender-mcp', knowsPing: false })
    const reply = await askOnce(simulator, 'ping')
    expect(reply).toEqual({ status: 'error', message: 'Unknown command type: ping' })
  })

  test('connections that come and go leave their lines in somebody else’s result', async () => {
    const simulator = await start({ dialect: 'blender-mcp' })
    const client = await connect(simulator)
    const visitor = await connect(simulator)
    const code = [simLine('hold'), simLine('print', { text: 'mine' })].join('\n')
    await occupy(simulator, client, 'execute_code', { code })
    await connect(simulator)
    await simulator.waitFor(({ open }) => open === 3)
    await visitor.close()
    await simulator.waitFor(({ open }) => open === 2)
    simulator.release()
    const { result } = await client.reply()
    expect(result.result).toMatch(/Connected to client: \('127\.0\.0\.1', \d+\)\n/)
    expect(result.result).toMatch(/Client handler stopped\n/)
    expect(result.result).toMatch(/mine\n$/)
    expect(kinds(simulator)).toEqual(
      expect.arrayContaining(['dialBeforeAnswer', 'dialWhileRunning', 'closeWhileRunning']),
    )
  })

  test('in one fork even a command that arrives leaves a line', async () => {
    const simulator = await start({ dialect: 'blender-mcp', crosstalk: 'everything' })
    const [client, other] = [await connect(simulator), await connect(simulator)]
    await occupy(simulator, client, 'execute_code', { code: simLine('hold') })
    other.send('echo')
    await simulator.waitFor(({ received }) => received === 2)
    simulator.release()
    expect((await client.reply()).result.result).toBe('Received command: echo\n')
    await other.reply()
  })

  test('without the trap a result holds only its own lines', async () => {
    const simulator = await start({ dialect: 'blender-mcp', crosstalk: 'none' })
    const client = await connect(simulator)
    await occupy(simulator, client, 'execute_code', { code: simLine('hold') })
    await (await connect(simulator)).close()
    await simulator.waitFor(({ connects, open }) => connects === 2 && open === 1)
    simulator.release()
    expect((await client.reply()).result.result).toBe('')
  })

  test('loading a file drops every queued command without a word', async () => {
    const simulator = await start({ dialect: 'blender-mcp' })
    const [loader, waiting] = [await connect(simulator), await connect(simulator)]
    const code = [simLine('hold'), simLine('load_file')].join('\n')
    await occupy(simulator, loader, 'execute_code', { code })
    waiting.send('echo', { n: 1 })
    await simulator.waitFor(({ received }) => received === 2)
    simulator.release()
    await loader.reply()
    await simulator.waitFor(({ lost }) => lost === 1)
    expect(await waiting.ask('echo', { n: 2 })).toMatchObject({ result: { n: 2 } })
    expect(states(simulator)).toEqual(['answered', 'lost', 'answered'])
  })

  test('a worker loses nothing when a file is loaded', async () => {
    const simulator = await start({ dialect: 'worker' })
    const [loader, waiting] = [await connect(simulator), await connect(simulator)]
    const code = [simLine('hold'), simLine('load_file')].join('\n')
    await occupy(simulator, loader, 'execute_code', { code })
    waiting.send('echo', { n: 1 })
    await simulator.waitFor(({ received }) => received === 2)
    simulator.release()
    expect(await waiting.reply()).toMatchObject({ result: { n: 1 } })
  })

  test.each([
    ['two commands in one segment', '{"type":"echo"}{"type":"echo"}'],
    ['a NUL', '\0'],
    ['a NUL behind a command', '{"type":"echo"}\0'],
  ])('%s makes a bare-JSON connection deaf for ever', async (_name, bytes) => {
    const simulator = await start({ dialect: 'blender-mcp' })
    const client = await connect(simulator)
    client.write(bytes)
    await simulator.waitFor(({ violations }) => violations.length === 1)
    client.send('echo')
    expect(await askOnce(simulator, 'echo')).toMatchObject({ status: 'success' })
    expect(simulator.stats()).toMatchObject({ received: 1, answered: 1 })
    expect(kinds(simulator)).toContain('wedged')
    expect(client.bytes).toHaveLength(0)
  })

  test('without the trap it takes documents one after another', async () => {
    const simulator = await start({
      dialect: 'blender-mcp',
      wedges: false,
      rebindsCommand: false,
    })
    const client = await connect(simulator)
    client.write('\0{"type":"big","params":{"bytes":3}}\0 {"type":"big","params":{"bytes":2}}')
    const wanted = '{"status":"success","result":"xxx"}{"status":"success","result":"xx"}'
    expect((await client.size(wanted.length)).toString()).toBe(wanted)
    expect(kinds(simulator)).toEqual(['pipelined'])
  })

  test('a second command before the first ran: the first is lost, the second runs twice', async () => {
    const simulator = await start({ dialect: 'blender-mcp' })
    const [busy, hasty] = [await connect(simulator), await connect(simulator)]
    await occupy(simulator, busy)
    hasty.send('echo', { n: 1 })
    await simulator.waitFor(({ received }) => received === 2)
    hasty.send('echo', { n: 2 })
    await simulator.waitFor(({ received }) => received === 3)
    simulator.release()
    const one = '{"status":"success","result":{"n":2}}'
    expect((await hasty.size(2 * one.length)).toString()).toBe(one + one)
    await simulator.waitFor(({ inFlight }) => inFlight === 0)
    expect(states(simulator)).toEqual(['answered', 'lost', 'answered'])
    expect(simulator.stats().commands.map(({ runs }) => runs)).toEqual([1, 0, 2])
    expect(kinds(simulator)).toEqual(expect.arrayContaining(['overlapping', 'pipelined']))
  })

  test('a read that ends inside a character closes the connection', async () => {
    const simulator = await start({ dialect: 'blender-mcp' })
    const client = await connect(simulator)
    const request = Buffer.from('{"type":"echo","params":{"text":"é"}}')
    client.write(request.subarray(0, request.indexOf(0xc3) + 1))
    await client.closed
    expect(kinds(simulator)).toEqual(['invalidUtf8'])
  })

  test('it reads 8 KiB at a time, so a long text in raw UTF-8 closes it as well', async () => {
    const simulator = await start({ dialect: 'blender-mcp' })
    const client = await connect(simulator)
    client.write(`{"type":"echo","params":{"t":"x${'é'.repeat(20_000)}"}}`)
    await client.closed
    const escaped = await connect(simulator)
    escaped.write(`{"type":"echo","params":{"t":"${'\\u00e9'.repeat(20_000)}"}}`)
    expect((await escaped.reply()).result.t).toHaveLength(20_000)
  })

  test('a request in raw UTF-8 is noted', async () => {
    const simulator = await start({ dialect: 'blender-mcp' })
    await askOnce(simulator, 'echo', { text: 'é' })
    expect(kinds(simulator)).toEqual(['notAscii'])
  })

  test('params: null is an error', async () => {
    const simulator = await start({ dialect: 'blender-mcp' })
    const reply = await askOnce(simulator, 'echo', null)
    expect(reply).toMatchObject({ status: 'error', message: expect.stringContaining('NoneType') })
    expect(kinds(simulator)).toEqual(['nullParams'])
  })

  test('a client that does not read holds up everybody', async () => {
    const simulator = await start({ dialect: 'blender-mcp' })
    const [deaf, other] = [await connect(simulator), await connect(simulator)]
    deaf.socket.pause()
    deaf.send('big', { bytes: 32 * 1024 * 1024 })
    await simulator.waitFor(({ answered }) => answered === 1)
    other.send('echo')
    await simulator.waitFor(({ received }) => received === 2)
    expect(states(simulator)).toEqual(['answered', 'received'])
    await deaf.close()
    expect(await other.reply()).toMatchObject({ status: 'success' })
  })

  test('Blender Lab closes the connection after one reply', async () => {
    const simulator = await start({ dialect: 'blender-lab' })
    const client = await connect(simulator)
    const request = ENVELOPES['blender-lab']('echo', {})
    client.write(request + request)
    await client.reply()
    await client.closed
    expect(kinds(simulator)).toEqual(['secondRequest'])
    expect(simulator.stats().received).toBe(1)
  })

  test('Blender Lab puts an idle connection out', async () => {
    const simulator = await start({ dialect: 'blender-lab', evictIdleMs: 1 })
    const client = await connect(simulator)
    expect(await client.reply()).toMatchObject({ status: 'error' })
    await client.closed
  })

  test('in the background one idle connection holds up all others', async () => {
    const simulator = await start({ dialect: 'blender-lab', background: true })
    const idle = await connect(simulator)
    await simulator.waitFor(({ open }) => open === 1)
    const other = await connect(simulator)
    other.send('echo', { n: 1 })
    await simulator.waitFor(({ open }) => open === 2)
    expect(simulator.stats().received).toBe(0)
    await idle.close()
    expect(await other.reply()).toMatchObject({ result: { n: 1 } })
  })

  test('with a window Blender Lab cuts long replies and hangs up on long requests', async () => {
    const simulator = await start({ dialect: 'blender-lab', cutRepliesAtBytes: 1000 })
    const client = await connect(simulator)
    client.send('big', { bytes: 1000 })
    await client.closed
    expect(client.bytes).toHaveLength(1000)
    const wordy = await connect(simulator)
    wordy.send('echo', { text: 'x'.repeat(200_000) })
    await wordy.closed
    expect(wordy.bytes).toHaveLength(0)
    expect(kinds(simulator)).toEqual(['requestTooLarge'])
  })

  test('quit ends Blender without a reply', async () => {
    const simulator = await start({ dialect: 'blender-mcp' })
    const client = await connect(simulator)
    client.send('execute_code', { code: simLine('quit') })
    await client.closed
    await expect(Client.connect(simulator)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await simulator.restart()
    expect(await askOnce(simulator, 'echo')).toMatchObject({ status: 'success' })
  })
})

describe('the faults', () => {
  const WHOLE = '{"id":1,"status":"success","result":{"n":1}}\n'

  /** A connection that has sent `echo` into the fault. */
  async function strike(fault, options) {
    const simulator = await start(options)
    simulator.setFaults(fault)
    const client = await connect(simulator)
    client.send('echo', { n: 1 })
    return { simulator, client }
  }

  test('delayMs delays the reply and not the main thread', async () => {
    const { simulator, client } = await strike({ delayMs: 1e6, times: 1 })
    await simulator.waitFor(({ commands }) => commands[0]?.state === 'running')
    expect(await askOnce(simulator, 'echo', { n: 2 })).toMatchObject({ result: { n: 2 } })
    expect(client.bytes).toHaveLength(0)
    await client.close()
  })

  test('jitterMs and a range of delays put answers out of rhythm, each still its caller’s', async () => {
    const { simulator, client } = await strike({ delayMs: [0, 5] }, { jitterMs: 5, beatMs: 0 })
    await client.reply()
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, n) => askOnce(simulator, 'echo', { n })),
    )
    expect(replies.map(({ result }) => result.n)).toEqual(replies.map((_, n) => n))
  })

  test('splitAt writes the reply in pieces', async () => {
    const simulator = await start()
    const client = await connect(simulator)
    for (let at = 1; at < WHOLE.length; at++) {
      simulator.setFaults({ splitAt: at })
      client.lastId = 0
      expect(await client.ask('echo', { n: 1 })).toMatchObject({ result: { n: 1 } })
    }
    simulator.setFaults({ splitAt: 'each' })
    expect(await client.ask('echo', { n: 2 })).toMatchObject({ result: { n: 2 } })
    client.chunks = 0
    simulator.setFaults({ splitAt: [9, 5], pauseMs: 1 })
    expect(await client.ask('echo', { n: 3 })).toMatchObject({ result: { n: 3 } })
    expect(simulator.stats().faults).toBe(WHOLE.length + 1)
  })

  test.each([
    [5, WHOLE.slice(0, 5)],
    [0, ''],
    [-1, WHOLE.slice(0, -1)],
  ])('truncate %i ends the connection inside the reply', async (truncate, wanted) => {
    const { simulator, client } = await strike({ truncate })
    await client.closed
    expect(client.bytes.toString()).toBe(wanted)
    expect(client.error).toBeNull()
    expect(states(simulator)).toEqual(['faulted'])
  })

  test('garbage comes instead of the reply', async () => {
    const { client } = await strike({ garbage: 'rubbish' })
    expect((await client.size(7)).toString()).toBe('rubbish')
    expect(client.ended).toBe(false)
  })

  test('silence: the command runs and nobody answers', async () => {
    const { simulator, client } = await strike({ silence: true, command: 'echo' })
    await simulator.waitFor(({ commands }) => commands[0]?.state === 'faulted')
    expect(simulator.stats().commands[0].runs).toBe(1)
    expect(await client.ask('ping')).toMatchObject({ id: 2 })
  })

  test.each([
    ['beforeRead', []],
    ['afterRead', [0]],
    ['afterRun', [1]],
    ['midReply', [1]],
  ])('reset %s', async (reset, runs) => {
    const { simulator, client } = await strike({ reset })
    await client.closed
    // With bytes before it, Node may show a reset as a plain end.
    if (reset === 'midReply') expect(WHOLE.startsWith(client.bytes.toString())).toBe(true)
    else expect(client.error).toMatchObject({ code: 'ECONNRESET' })
    expect(client.bytes.length).toBeLessThan(WHOLE.length)
    expect(simulator.stats().commands.map((command) => command.runs)).toEqual(runs)
    expect(simulator.stats()).toMatchObject({ faults: 1, answered: 0, inFlight: 0 })
  })

  test('a reset on a Unix socket closes it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'simulator-'))
    try {
      const path = join(directory, 'blender.sock')
      const { simulator, client } = await strike({ reset: 'afterRun' }, { path })
      expect(simulator.address).toBe(`unix:${path}`)
      await client.closed
      simulator.setFaults()
      await simulator.restart()
      expect(await askOnce(simulator, 'echo', { n: 1 })).toMatchObject({ result: { n: 1 } })
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test.each(['close', 'reset'])('refuse: %s turns connections away', async (refuse) => {
    const simulator = await start()
    simulator.setFaults({ refuse, times: 2 })
    for (let n = 0; n < 2; n++) {
      const client = new Client(simulator)
      await client.closed
      expect(client.bytes).toHaveLength(0)
    }
    expect(await askOnce(simulator, 'echo', { n: 1 })).toMatchObject({ result: { n: 1 } })
    expect(simulator.stats()).toMatchObject({ connects: 3, refused: 2, peak: 1 })
  })

  test('acceptDelayMs: what is sent meanwhile waits', async () => {
    const { simulator, client } = await strike({ acceptDelayMs: 1, times: 1 })
    expect(await client.reply()).toMatchObject({ result: { n: 1 } })
    simulator.setFaults({ acceptDelayMs: 1e6 })
    const slow = await connect(simulator)
    slow.send('echo')
    await simulator.waitFor(({ open }) => open === 2)
    expect(await client.ask('echo', { n: 2 })).toMatchObject({ result: { n: 2 } })
    expect(simulator.stats().received).toBe(2)
  })

  test('bytes that nobody asked for: at once, behind a reply, and while idle', async () => {
    const simulator = await start()
    simulator.setFaults([{ greeting: 'hello' }, { unsolicited: 'more', times: 1 }])
    const client = await connect(simulator)
    expect((await client.size(5)).toString()).toBe('hello')
    client.bytes = Buffer.alloc(0)
    client.send('echo', { n: 1 })
    expect((await client.size(WHOLE.length + 4)).toString()).toBe(`${WHOLE}more`)
    client.bytes = Buffer.alloc(0)
    simulator.say('psst', 1)
    expect((await client.size(4)).toString()).toBe('psst')
  })

  test.each([
    ['blender-mcp', '{"status":"success","result":{"n":1}}'],
    ['blender-lab', '{"status":"ok","result":{"n":1}}\0'],
    ['blender-mcp-server', '{"id":1,"success":true,"result":{"n":1}}\n'],
  ])('dialect: the answer is in the envelope of %s', async (dialect, wanted) => {
    const { client } = await strike({ dialect })
    expect((await client.size(wanted.length)).toString()).toBe(wanted)
  })

  test.each(DIALECTS)('replyBytes: a valid reply of that size in %s', async (dialect) => {
    const { client } = await strike({ replyBytes: 5000 }, { dialect })
    await client.size(5000)
    expect(client.bytes).toHaveLength(5000)
    expect(given(await client.reply())).toMatch(/^x+$/)
  })

  test('id: the reply of somebody else', async () => {
    const { client } = await strike({ id: 99 })
    expect(await client.reply()).toMatchObject({ id: 99 })
  })

  test('a fault strikes when it was told to', async () => {
    const simulator = await start()
    simulator.setFaults([
      { id: 'third', skip: 2, times: 1, command: 'echo' },
      { id: 'even', match: ({ params }) => params.n % 2 === 0 },
      { id: 'inside', command: ['print', 'sleep'] },
      { id: 'never', chance: 0 },
    ])
    const client = await connect(simulator)
    const ids = []
    for (const n of [1, 3, 4, 5, 6]) ids.push((await client.ask('echo', { n })).id)
    expect(ids).toEqual([1, 2, 'third', 4, 'even'])
    const code = simLine('print', { text: '' })
    expect(await client.ask('execute_code', { code })).toMatchObject({ id: 'inside' })
    expect(simulator.stats().faults).toBe(3)
  })

  test('a command may carry its own fault', async () => {
    const simulator = await start()
    const params = { n: 1, $fault: { id: 'mine' } }
    expect(await askOnce(simulator, 'echo', params)).toMatchObject({ id: 'mine', result: params })
  })

  test('what is misspelt is refused', async () => {
    const simulator = await start()
    expect(() => simulator.setFaults({ dealyMs: 1 })).toThrow(/Unknown fault 'dealyMs'/)
    expect(() => simulator.setFaults({ times: 1 })).toThrow(TypeError)
    expect(() => simulator.setFaults({ delayMs: 1, refuse: 'close' })).toThrow(TypeError)
    expect(() => simulator.setFaults({ reset: 'never' })).toThrow(/beforeRead/)
    await expect(startSimulator({ wegdes: true })).rejects.toThrow(/Unknown option 'wegdes'/)
    await expect(startSimulator({ dialect: 'klingon' })).rejects.toThrow(/worker, blender-mcp/)
    await expect(startSimulator({ beatMs: 'fast' })).rejects.toThrow(/beatMs must be a number/)
  })
})

describe('the life of the process', () => {
  test('killed, it resets everybody and refuses; restarted, it is a new Blender', async () => {
    const simulator = await start()
    const { port } = simulator
    await askOnce(simulator, 'delete_object', { name: 'Cube' })
    const [client, waiting] = [await connect(simulator), await connect(simulator)]
    await occupy(simulator, client)
    waiting.send('echo')
    await simulator.waitFor(({ received }) => received === 3)
    await simulator.kill()
    expect((await client.closed).error).toMatchObject({ code: 'ECONNRESET' })
    await waiting.closed
    await simulator.waitFor(({ inFlight }) => inFlight === 0)
    expect(states(simulator)).toEqual(['answered', 'unread', 'lost'])
    await expect(Client.connect(simulator)).rejects.toMatchObject({ code: 'ECONNREFUSED' })

    await simulator.restart()
    expect(simulator.port).toBe(port)
    const info = await askOnce(simulator, 'get_object_info', { name: 'Cube' })
    expect(info).toMatchObject({ status: 'success' })
    await simulator.waitFor(({ open }) => open === 0)
    expect(simulator.stats()).toMatchObject({ connects: 4, received: 4 })
  })

  test('frozen, it accepts and stays silent; thawed, the late answers arrive', async () => {
    const simulator = await start()
    const client = await connect(simulator)
    await client.ask('ping')
    simulator.freeze()
    client.send('ping')
    const late = await connect(simulator)
    late.send('ping')
    await simulator.waitFor(({ open }) => open === 2)
    expect(simulator.stats().received).toBe(1)
    simulator.thaw()
    expect(await client.reply()).toMatchObject({ id: 2 })
    expect(await late.reply()).toMatchObject({ id: 1 })
  })

  test('frozen in the middle of a command, it finishes it afterwards', async () => {
    const simulator = await start()
    const client = await connect(simulator)
    await occupy(simulator, client)
    simulator.freeze()
    simulator.release()
    await new Promise((resolve) => setImmediate(resolve))
    expect(states(simulator)).toEqual(['running'])
    simulator.thaw()
    expect(await client.reply()).toMatchObject({ result: { held: true } })
  })

  test('it can stop listening and keep its connections', async () => {
    const simulator = await start()
    const client = await connect(simulator)
    await client.ask('ping')
    await simulator.stopListening()
    await expect(Client.connect(simulator)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(await client.ask('ping')).toMatchObject({ id: 2 })
    await simulator.startListening()
    expect(await askOnce(simulator, 'ping')).toMatchObject({ id: 1 })
  })

  test('it can hang up on one connection or on all', async () => {
    const simulator = await start()
    const [one, two, three] = [
      await connect(simulator),
      await connect(simulator),
      await connect(simulator),
    ]
    for (const client of [one, two, three]) await client.ask('ping')
    simulator.hangUp({ socket: 2, reset: true })
    expect((await two.closed).error).toMatchObject({ code: 'ECONNRESET' })
    expect(simulator.stats().open).toBeGreaterThan(0)
    simulator.hangUp()
    expect((await one.closed).error).toBeNull()
    await three.closed
  })

  describe.each([
    ['', () => {}],
    [', frozen', (simulator) => simulator.freeze()],
  ])('hung up on%s', (_state, enter) => {
    test.each([
      ['and reset', (simulator) => simulator.hangUp({ reset: true })],
      ['as it is killed', (simulator) => simulator.kill()],
      ['as it starts again', (simulator) => simulator.restart()],
      ['as it is closed', (simulator) => simulator.close()],
    ])('%s in the same turn, a connection is over', async (_end, end) => {
      const simulator = await start()
      const clients = [await connect(simulator), await connect(simulator)]
      enter(simulator)
      simulator.hangUp()
      await end(simulator)
      await simulator.waitFor(({ open }) => open === 0)
      for (const client of clients) await client.closed
    })
  })

  test('it dies though a client does not read and was hung up on', async () => {
    const simulator = await start()
    const client = await connect(simulator)
    client.socket.pause()
    simulator.say(Buffer.alloc(50_000_000))
    simulator.hangUp()
    await new Promise((resolve) => setImmediate(resolve))
    await simulator.kill()
    expect(simulator.stats().open).toBe(0)
  })

  test('a listener is told everything until it is taken off', async () => {
    const simulator = await start()
    const events = []
    const off = simulator.on(({ event }) => events.push(event))
    await askOnce(simulator, 'echo')
    await simulator.waitFor(({ open }) => open === 0)
    off()
    await askOnce(simulator, 'echo')
    expect(events).toEqual(['connect', 'command', 'run', 'answered', 'close'])
  })

  test('a closed simulator holds no process, whatever was pending', async () => {
    const requests = Object.fromEntries(
      DIALECTS.map((dialect) => {
        const frame = ENVELOPES[dialect]('hold', {}, 1)
        return [dialect, Buffer.from(frame).toString('base64')]
      }),
    )
    const script = `
      const net = require('node:net')
      const { startSimulator } = require('./simulator')
      const requests = ${JSON.stringify(requests)}
      const run = async (dialect) => {
        const simulator = await startSimulator({ dialect, jitterMs: 1e6 })
        simulator.setFaults([{ acceptDelayMs: 1e6, skip: 1 }])
        const request = Buffer.from(requests[dialect], 'base64')
        for (let n = 0; n < 2; n++) {
          const client = net.connect(simulator.port, simulator.host).on('error', () => {})
          client.resume().write(request)
        }
        await simulator.waitFor(({ open, commands }) => open === 2 && commands[0]?.state === 'running')
        await simulator.close()
      }
      Promise.all(${JSON.stringify(DIALECTS)}.map(run)).then(() => console.log('closed'))
    `
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], {
      cwd: REPOSITORY,
      timeout: 25_000,
    })
    expect(stdout).toBe('closed\n')
  })
})

describe('the command line', () => {
  const cli = join(REPOSITORY, 'simulator', 'cli.js')
  const run = (...flags) =>
    promisify(execFile)(process.execPath, [cli, ...flags], { timeout: 25_000 })

  test('explains itself', async () => {
    expect((await run('--help')).stdout).toMatch(/--dialect NAME/)
  })

  test('says what is wrong and ends', async () => {
    await expect(run('--dialect', 'klingon')).rejects.toMatchObject({ code: 1 })
    await expect(run('--fault', '{"nonsense":1}')).rejects.toMatchObject({ code: 1 })
  })

  test('serves until it is interrupted', async () => {
    const flags = ['--dialect', 'blender-mcp', '--set', 'crosstalk=none', '--beat-ms', '1']
    const running = run(...flags)
    const line = await new Promise((resolve) => running.child.stdout.once('data', resolve))
    const port = Number(/blender-mcp simulator listening on 127\.0\.0\.1:(\d+)\n/.exec(line)[1])
    const client = await connect({ dialect: 'blender-mcp', host: '127.0.0.1', port })
    expect(await client.ask('echo', { n: 1 })).toMatchObject({ result: { n: 1 } })
    running.child.kill('SIGINT')
    await running
    await client.closed
  })
})

describe('the narrow listener', () => {
  let narrow

  beforeEach(async () => {
    narrow = await startNarrowListener()
  })

  afterEach(() => narrow.stop())

  test('answers like the add-on', async () => {
    const client = await connect(narrow)
    expect(await client.ask('ping')).toEqual({
      status: 'error',
      message: 'Unknown command type: ping',
    })
    expect(await client.ask('echo', { n: 'é' })).toEqual({ status: 'success', result: { n: 'é' } })
    expect(await client.ask('echo', null)).toMatchObject({
      status: 'error',
      message: expect.stringContaining('must be a mapping, not NoneType'),
    })
    const big = await client.ask('big', { bytes: 100_000, multibyte: true })
    expect(big.result === bigText(100_000, true)).toBe(true)
    expect(await narrow.stop()).toEqual({ connects: 1, commands: 4, answered: 4, lost: 0 })
  })

  test('connections dialled one after another, each answered before the next, all work', async () => {
    const all = []
    for (let n = 0; n < 20; n++) {
      all.push(await connect(narrow))
      await all.at(-1).ask('ping')
    }
    const replies = await Promise.all(all.map((client, n) => client.ask('echo', { n })))
    expect(replies.map(({ result }) => result.n)).toEqual(all.map((_, n) => n))
    expect(await narrow.stop()).toEqual({ connects: 20, commands: 40, answered: 40, lost: 0 })
  })

  test('puts a connection’s lines into somebody else’s result', async () => {
    const client = await connect(narrow)
    const code = [simLine('print', { text: 'mine' }), simLine('hold', { commands: 2 })]
    client.send('execute_code', { code: code.join('\n') })
    await narrow.held()
    const visitor = await connect(narrow)
    visitor.send('echo')
    const { result } = await client.reply()
    expect(result.result).toMatch(/^mine\nConnected to client: \('127\.0\.0\.1', \d+\)\n/)
    await visitor.reply()
  })

  test('forgets queued commands when a file is loaded', async () => {
    const [loader, waiting] = [await connect(narrow), await connect(narrow)]
    await loader.ask('ping')
    await waiting.ask('ping')
    const code = [simLine('hold', { commands: 4 }), simLine('load_file')].join('\n')
    loader.send('execute_code', { code })
    await narrow.held()
    waiting.send('echo')
    await loader.reply()
    expect(waiting.bytes).toHaveLength(0)
    expect(await narrow.stop()).toEqual({ connects: 2, commands: 4, answered: 3, lost: 1 })
  })

  test('wedges on a NUL and closes on half a character', async () => {
    const [deaf, cut] = [await connect(narrow), await connect(narrow)]
    deaf.write('\0')
    deaf.send('echo')
    cut.write(Buffer.of(0x22, 0xc3))
    await cut.closed
    expect(await narrow.stop()).toEqual({ connects: 2, commands: 0, answered: 0, lost: 0 })
  })

  test('says when there is no Python', async () => {
    await expect(startNarrowListener({ python: 'no-such-python' })).rejects.toThrow(/ENOENT/)
  })
})
