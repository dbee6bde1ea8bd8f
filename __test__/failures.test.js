'use strict'

// What goes wrong outside the pool: each failure has its code, its cause and its advice, says whether the
// command may have run, and leaves a pool that works.

const { once } = require('node:events')
const http = require('node:http')
const net = require('node:net')
const { spawn } = require('node:child_process')

const { runScript } = require('./support/child')
const { DIALECTS, FOUND, WARM, code, command } = require('./support/dialects')
const { expectBalanced, expectWorking, faultOf, nextEvent } = require('./support/fault')
const {
  afterwards,
  closedPort,
  newPool,
  rawServer,
  simulator,
  simulatorProcess,
  workerReply,
  workerServer,
} = require('./support/stage')

const echo = (dialect, token) => command(dialect, 'echo', { token })
const holding = ({ commands }) =>
  commands.some(({ command, state }) => command === 'hold' && state === 'running')

describe.each(WARM)('a server of %s that is killed', (dialect) => {
  test('while connections are idle costs nobody a command', async () => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    await expectWorking(pool)
    const closed = nextEvent(pool, 'connectionClosed')
    await server.kill()
    const { reason, error, connectionId } = await closed
    expect(reason).toBe('error')
    await faultOf(Promise.reject(error), {
      code: 'ERR_POOL_CONNECTION_LOST',
      connectionId,
      delivered: 'no',
      retryable: true,
      cause: { code: 'ECONNRESET', syscall: 'read' },
    })
    expectBalanced(pool)
    await server.restart()
    await expectWorking(pool)
    expect(pool.stats()).toMatchObject({ commandErrors: 0, created: 2 })
  })

  test('while a command runs fails that command, and those that wait ride it out', async () => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect, maxConnections: 1 })
    const failing = faultOf(pool.execute(command(dialect, 'hold')), {
      code: 'ERR_POOL_CONNECTION_LOST',
      delivered: 'maybe',
      endpoint: server.address,
      cause: { code: 'ECONNRESET', syscall: 'read' },
    })
    const waiting = pool.execute(echo(dialect, 'still here'))
    await server.waitFor(holding)
    await server.kill()
    const { connectionId } = await failing
    expect(connectionId).toBeGreaterThan(0)
    await server.restart()
    expect(await waiting).toMatchObject({ success: true, result: { token: 'still here' } })
    await expectWorking(pool)
  })

  test('in the middle of a reply fails that command', async () => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    server.setFaults({ reset: 'midReply', command: 'echo', times: 1 })
    await faultOf(pool.execute(echo(dialect, 'half')), {
      code: 'ERR_POOL_CONNECTION_LOST',
      delivered: 'yes',
      cause: { code: 'ECONNRESET' },
    })
    await expectWorking(pool)
  })

  test('and comes back on the same port answers a command issued meanwhile', async () => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    await expectWorking(pool)
    const closed = nextEvent(pool, 'connectionClosed')
    await server.kill()
    await closed
    const refused = nextEvent(
      pool,
      'connectionClosed',
      ({ error }) => error?.cause?.code === 'ECONNREFUSED',
    )
    const reply = pool.execute(echo(dialect, 'meanwhile'))
    await refused
    await server.restart()
    expect(await reply).toMatchObject({ success: true, result: { token: 'meanwhile' } })
    expect(pool.stats().connectFailures).toBeGreaterThan(0)
    await expectWorking(pool)
  })
})

describe('a server that is frozen', () => {
  test.each(
    WARM,
  )('runs into the deadline, and its late answer reaches nobody (%s)', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect, commandTimeoutMs: 500 })
    await expectWorking(pool)
    server.freeze()
    await faultOf(pool.execute(echo(dialect, 'late')), {
      code: 'ERR_POOL_COMMAND_TIMEOUT',
      delivered: 'maybe',
      retryable: false,
      endpoint: server.address,
    })
    const ended = nextEvent(pool, 'connectionClosed')
    server.thaw()
    expect(await ended).toMatchObject({ reason: 'error' })
    await expectWorking(pool)
    expect(server.stats().commands.map(({ command }) => command)).toContain('echo')
  })

  test('as a stopped process it is told apart from a closed port, and recovers when it goes on', async () => {
    const { child, address } = await simulatorProcess('--dialect', 'blender-mcp')
    const pool = newPool({
      endpoints: address,
      dialect: 'blender-mcp',
      connectTimeoutMs: 1_000,
      connectRetryMs: 0,
      drainTimeoutMs: 50,
    })
    await expectWorking(pool)
    child.kill('SIGSTOP')
    await faultOf(pool.execute(echo('blender-mcp', 'first'), { timeoutMs: 100 }), {
      code: 'ERR_POOL_COMMAND_TIMEOUT',
      delivered: 'maybe',
      retryable: false,
    })
    const { message } = await faultOf(pool.execute(echo('blender-mcp', 'second')), {
      code: 'ERR_POOL_CONNECT',
      delivered: 'no',
      retryable: true,
    })
    expect(message).toMatch(/did not answer a ping within 1000 ms/)
    child.kill('SIGCONT')
    const tokens = Array.from({ length: 10 }, (_, token) => token)
    const replies = await Promise.all(
      tokens.map((token) => pool.execute(echo('blender-mcp', token), { timeoutMs: 5_000 })),
    )
    expect(replies.map(({ result }) => result.token)).toEqual(tokens)
    await expectWorking(pool)
  })

  test('only once its reply is due does not hurt those who wait', async () => {
    const server = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: server.address, dialect: 'worker', maxConnections: 2 })
    server.setFaults({ silence: true, command: 'render', times: 1 })
    const silent = faultOf(pool.execute('render', { timeoutMs: 100 }), {
      code: 'ERR_POOL_COMMAND_TIMEOUT',
      delivered: 'maybe',
    })
    const tokens = Array.from({ length: 20 }, (_, token) => token)
    const replies = await Promise.all(tokens.map((token) => pool.execute(echo('worker', token))))
    expect(replies.map(({ result }) => result.token)).toEqual(tokens)
    await silent
    await expectWorking(pool)
  })
})

describe('the wrong dialect', () => {
  const pairs = DIALECTS.flatMap((speaks) =>
    DIALECTS.filter((other) => other !== speaks).map((asked) => [asked, speaks]),
  )

  test.each(
    pairs,
  )('%s, against a server of %s, is refused with advice on the option', async (dialect, speaks) => {
    const server = await simulator({ dialect: speaks })
    const pool = newPool({
      endpoints: server.address,
      dialect,
      connectTimeoutMs: 300,
      commandTimeoutMs: 300,
      connectRetryMs: 0,
    })
    const fault = await faultOf(pool.execute(code(dialect)), {})
    expect(fault.code).toMatch(/^ERR_POOL_(PROTOCOL|CONNECT|COMMAND_TIMEOUT)$/)
    expect(fault.advice).toMatch(/dialect/)
    expect(pool.stats()).toMatchObject({ inUse: 0, waiting: 0 })
  })
})

describe("'auto'", () => {
  test('against a web server names what it saw and what it is not', async () => {
    const server = http
      .createServer((_request, response) => response.end('hello'))
      .listen(0, '127.0.0.1')
    await once(server, 'listening')
    afterwards(() => {
      server.closeAllConnections()
      server.close()
    })
    const pool = newPool({ endpoints: `127.0.0.1:${server.address().port}`, connectRetryMs: 200 })
    const { message, details, advice } = await faultOf(pool.execute('ping'), {
      code: 'ERR_POOL_PROTOCOL',
      delivered: 'no',
    })
    expect(message).toContain('HTTP/1.1 400 Bad Request')
    for (const dialect of FOUND) expect(message + advice).toContain(dialect)
    expect([...details.ruledOut].sort()).toEqual([...FOUND].sort())
    expectBalanced(pool)
  })

  test('against a silent server says that it was silent', async () => {
    const server = await rawServer(() => {})
    const pool = newPool({ endpoints: server.address, connectRetryMs: 0 })
    const { message, details, advice } = await faultOf(pool.execute('ping'), {
      code: 'ERR_POOL_CONNECT',
      delivered: 'no',
      retryable: true,
    })
    expect(message).toMatch(/did not answer the dialect probe within \d+ ms/)
    for (const dialect of DIALECTS) expect(message + advice).toContain(dialect)
    expect([...details.ruledOut].sort()).toEqual([...FOUND].sort())
    expectBalanced(pool)
  })

  test('against a length-prefixed add-on says what came, or that nothing did', async () => {
    // It takes the probe's first bytes for a length of 2 GB, and waits for the rest.
    const server = await rawServer((socket) => {
      let buffer = Buffer.alloc(0)
      socket.on('data', (chunk) => {
        buffer = Buffer.concat([buffer, chunk])
        if (buffer.length < 4 + buffer.readUInt32BE(0)) return
        socket.write('\0\0\0\x0f{"status":"ok"}')
      })
    })
    const pool = newPool({ endpoints: server.address, connectRetryMs: 0 })
    await faultOf(pool.execute('ping'), { code: 'ERR_POOL_CONNECT', delivered: 'no' })
    expectBalanced(pool)
  })

  test('against a server that hangs up on the probe shows what it had sent', async () => {
    const server = await rawServer((socket) => socket.once('data', () => socket.end('SSH-2.0-')))
    const pool = newPool({ endpoints: server.address, connectRetryMs: 0 })
    const { message } = await faultOf(pool.execute('ping'), { delivered: 'no' })
    expect(message).toContain('SSH-2.0-')
    expectBalanced(pool)
  })

  test('is not fooled for ever: a Blender that takes the place of the stranger is found', async () => {
    const stranger = await rawServer((socket) => socket.end('220 ftp ready\r\n'))
    const pool = newPool({ endpoints: stranger.address, connectRetryMs: 0 })
    await faultOf(pool.execute('ping'), { delivered: 'no' })
    await stranger.close()
    await simulator({ dialect: 'worker', port: stranger.port })
    await expectWorking(pool)
    expect(pool.endpoints()[0].dialect).toBe('worker')
  })
})

describe('a reply', () => {
  test.each(DIALECTS)('that is garbage fails its command only (%s)', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    const call = command(dialect, 'echo')
    server.setFaults({
      garbage: 'Traceback (most recent call last)\n\0',
      command: 'echo',
      times: 1,
    })
    const { message } = await faultOf(pool.execute(call), {
      code: 'ERR_POOL_PROTOCOL',
      delivered: 'yes',
      retryable: false,
    })
    expect(message).toContain('Traceback')
    expect(await pool.execute(call)).toMatchObject({ success: true })
    expectBalanced(pool)
  })

  test.each([
    ['an array', '[1,2]\n'],
    ['a number', '17\n'],
    ['an object without a status', '{"id":2,"result":1}\n'],
    ['a status nobody knows', '{"id":2,"status":17}\n'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a])],
    ['NaN, which Python writes', '{"id":2,"status":"success","result":NaN}\n'],
    ['two documents on one line', '{"id":2,"status":"success"}{"id":2,"status":"success"}\n'],
    ['an empty object', '{}\n'],
  ])('that is %s is refused as ERR_POOL_PROTOCOL', async (_what, bytes) => {
    const server = await workerServer(({ id, type, params }, socket) => {
      socket.write(type === 'odd' ? bytes : workerReply(id, params))
    })
    const pool = newPool({ endpoints: server.address, dialect: 'worker' })
    const { details } = await faultOf(pool.execute('odd'), {
      code: 'ERR_POOL_PROTOCOL',
      delivered: 'yes',
      retryable: false,
    })
    expect(details.received).toBe(Buffer.from(bytes).toString().trimEnd())
    await expectWorking(pool)
  })

  test('of blender-mcp with NaN in it is refused, and the next one is right', async () => {
    const server = await simulator({ dialect: 'blender-mcp' })
    const pool = newPool({ endpoints: server.address, dialect: 'blender-mcp' })
    server.setFaults({
      garbage: '{"status": "success", "result": {"x": NaN}}',
      command: 'odd',
      times: 1,
    })
    await faultOf(pool.execute('odd'), { code: 'ERR_POOL_PROTOCOL', delivered: 'yes' })
    await expectWorking(pool)
  })

  test("with another command's id is never taken for the answer", async () => {
    const server = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: server.address, dialect: 'worker' })
    server.setFaults({ id: 4711, command: 'echo', times: 1 })
    const { message } = await faultOf(pool.execute(echo('worker', 'mine')), {
      code: 'ERR_POOL_PROTOCOL',
      delivered: 'yes',
    })
    expect(message).toContain('4711')
    await expectWorking(pool)
  })

  test.each(DIALECTS)('that is too large cuts the connection (%s)', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect, maxReplyBytes: 10_000 })
    const big = (bytes) => command(dialect, 'big', { bytes })
    await faultOf(pool.execute(big(200_000)), {
      code: 'ERR_POOL_REPLY_TOO_LARGE',
      delivered: 'yes',
      retryable: false,
      details: { limitBytes: 10_000 },
    })
    expect(await pool.execute(big(5_000))).toMatchObject({ success: true })
    expectBalanced(pool)
  })

  test.each(DIALECTS)('that ends in the middle says after how many bytes (%s)', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    const call = command(dialect, 'echo')
    server.setFaults({ truncate: 9, command: 'echo', times: 1 })
    const { message } = await faultOf(pool.execute(call), {
      code: 'ERR_POOL_PROTOCOL',
      delivered: 'yes',
      retryable: false,
      details: { receivedBytes: 9 },
    })
    expect(message).toMatch(/9 bytes/)
    expect(await pool.execute(call)).toMatchObject({ success: true })
    expectBalanced(pool)
  })

  test.each(
    DIALECTS,
  )('that never begins before the end of the stream is a lost connection (%s)', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    const call = command(dialect, 'echo')
    server.setFaults({ truncate: 0, command: 'echo', times: 1 })
    await faultOf(pool.execute(call), { code: 'ERR_POOL_CONNECTION_LOST', delivered: 'maybe' })
    expect(await pool.execute(call)).toMatchObject({ success: true })
    expectBalanced(pool)
  })

  // Where a length comes first, every byte belongs to one.
  const lenient = WARM.filter((dialect) => dialect !== 'blender-ai-mcp')

  test.each(lenient)('with a stray newline behind it is a good one (%s)', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    server.setFaults({ unsolicited: '\r\n', command: 'echo' })
    for (const token of [1, 2, 3]) {
      expect(await pool.execute(echo(dialect, token))).toMatchObject({ result: { token } })
    }
    expect(pool.stats()).toMatchObject({ created: 1, total: 1 })
  })
})

describe('bytes that nobody asked for', () => {
  test.each(WARM)('end an idle connection with a desync event (%s)', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    await expectWorking(pool)
    const [{ id }] = pool.connections()
    const [desync, closed] = [nextEvent(pool, 'desync'), nextEvent(pool, 'connectionClosed')]
    server.say('{"status":"success","result":"not yours"}\n')
    const { error, ...where } = await desync
    expect(where).toMatchObject({ connectionId: id, endpoint: server.address })
    const { message } = await faultOf(Promise.reject(error), { code: 'ERR_POOL_PROTOCOL' })
    expect(message).toContain('not yours')
    expect(await closed).toMatchObject({ connectionId: id, reason: 'error' })
    await expectWorking(pool)
    expect(pool.connections().map((connection) => connection.id)).not.toContain(id)
  })

  test.each(
    WARM,
  )('behind a reply leave the reply its caller and end the connection (%s)', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect, maxConnections: 1 })
    const desync = nextEvent(pool, 'desync')
    server.setFaults({
      unsolicited: '{"status":"success","result":"not yours"}\n',
      command: 'echo',
      times: 1,
    })
    const tokens = Array.from({ length: 10 }, (_, token) => token)
    const replies = await Promise.all(tokens.map((token) => pool.execute(echo(dialect, token))))
    expect(replies.map(({ result }) => result)).toEqual(tokens.map((token) => ({ token })))
    const { connectionId } = await desync
    await expectWorking(pool)
    expect(pool.connections().map(({ id }) => id)).not.toContain(connectionId)
    expect(pool.stats().commandErrors).toBe(0)
  })

  test('behind a reply never reach the holder who comes next', async () => {
    const server = await simulator({ dialect: 'worker' })
    const pool = newPool({ endpoints: server.address, dialect: 'worker', maxConnections: 1 })
    server.setFaults({ unsolicited: true, command: 'print' })
    for (let round = 0; round < 20; round++) {
      const spoilt = pool.execute('print')
      const token = await pool.use(async (connection) => {
        const { result } = await connection.execute(echo('worker', round))
        return result.token
      })
      expect(token).toBe(round)
      await spoilt
    }
    await expectWorking(pool)
  })

  test.each(
    WARM,
  )('as a greeting are found before the first command is sent (%s)', async (dialect) => {
    const server = await simulator({ dialect })
    const pool = newPool({ endpoints: server.address, dialect })
    server.setFaults({ greeting: 'Welcome to Blender\n', times: 1 })
    // Whether the greeting is met as the answer to a ping or as bytes out of turn, no command suffers more
    // than a refusal that says so.
    await faultOf(pool.execute(echo(dialect, 'early')), {
      code: 'ERR_POOL_PROTOCOL',
      delivered: 'no',
    })
    await expectWorking(pool)
  })
})

describe('no connection', () => {
  test('at a closed port: ECONNREFUSED, soon after connectRetryMs', async () => {
    const port = await closedPort()
    const pool = newPool({ endpoints: `127.0.0.1:${port}`, connectRetryMs: 300 })
    const began = performance.now()
    const calls = Array.from({ length: 20 }, () =>
      faultOf(pool.execute('ping'), {
        code: 'ERR_POOL_CONNECT',
        delivered: 'no',
        retryable: true,
        endpoint: `127.0.0.1:${port}`,
        cause: { code: 'ECONNREFUSED', syscall: 'connect', address: '127.0.0.1', port },
      }),
    )
    await Promise.all(calls)
    const tookMs = performance.now() - began
    expect(tookMs).toBeGreaterThanOrEqual(295)
    expect(tookMs).toBeLessThan(2_000)
    expectBalanced(pool)
    await simulator({ dialect: 'worker', port })
    await expectWorking(pool)
  })

  test('with connectRetryMs 0 the first refusal is the error', async () => {
    const pool = newPool({ endpoints: `127.0.0.1:${await closedPort()}`, connectRetryMs: 0 })
    const began = performance.now()
    await faultOf(pool.acquire(), { code: 'ERR_POOL_CONNECT', cause: { code: 'ECONNREFUSED' } })
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(pool.stats()).toMatchObject({ connectFailures: 1, total: 0 })
  })

  test('at a path where no socket is: ENOENT', async () => {
    const pool = newPool({ endpoints: 'unix:/nonexistent/blender.sock', connectRetryMs: 0 })
    await faultOf(pool.execute('ping'), {
      code: 'ERR_POOL_CONNECT',
      delivered: 'no',
      cause: { code: 'ENOENT' },
    })
    expectBalanced(pool)
  })

  test('accepted by nobody: connectTimeoutMs', async () => {
    const { port } = await fullListener()
    const pool = newPool({
      endpoints: `127.0.0.1:${port}`,
      dialect: 'worker',
      connectTimeoutMs: 150,
      connectRetryMs: 0,
    })
    const began = performance.now()
    const { message } = await faultOf(pool.execute('ping'), {
      code: 'ERR_POOL_CONNECT',
      delivered: 'no',
      retryable: true,
      cause: { code: 'ETIMEDOUT' },
    })
    expect(message).toContain('150 ms')
    expect(performance.now() - began).toBeLessThan(1_500)
    expectBalanced(pool)
  })

  test('accepted and answered late: the ping has connectTimeoutMs too', async () => {
    const server = await simulator({ dialect: 'worker' })
    server.setFaults({ acceptDelayMs: 60_000, times: 1 })
    const pool = newPool({
      endpoints: server.address,
      dialect: 'worker',
      connectTimeoutMs: 150,
      connectRetryMs: 0,
    })
    const { advice } = await faultOf(pool.execute('ping'), {
      code: 'ERR_POOL_CONNECT',
      delivered: 'no',
      retryable: true,
    })
    expect(advice).toMatch(/busy|stopped/)
    await expectWorking(pool)
  })

  test.each(['close', 'reset'])('accepted and turned away at once (%s)', async (refuse) => {
    const server = await simulator({ dialect: 'worker' })
    server.setFaults({ refuse, times: 1 })
    const pool = newPool({ endpoints: server.address, dialect: 'worker', connectRetryMs: 0 })
    await faultOf(pool.execute('ping'), {
      code: 'ERR_POOL_CONNECT',
      delivered: 'no',
      retryable: true,
    })
    await expectWorking(pool)
  })

  test('in time: acquireTimeoutMs has the connect error as its cause', async () => {
    const pool = newPool({
      endpoints: `127.0.0.1:${await closedPort()}`,
      acquireTimeoutMs: 200,
      connectRetryMs: 60_000,
    })
    await faultOf(pool.execute('ping'), {
      code: 'ERR_POOL_ACQUIRE_TIMEOUT',
      delivered: 'no',
      retryable: true,
      cause: { message: expect.stringContaining('ECONNREFUSED') },
    })
    expectBalanced(pool)
  })
})

test('nothing of all this is left unhandled or ends the process', async () => {
  const server = await simulator({ dialect: 'worker' })
  // Pings are spared: a listener that answers those in another language is hopeless, and told at once.
  const command = ['echo', 'print']
  const faults = [
    { reset: 'afterRead', chance: 0.1, command },
    { reset: 'midReply', chance: 0.1, command },
    { truncate: 5, chance: 0.1, command },
    { truncate: 0, chance: 0.1, command },
    { garbage: 'what?\n', chance: 0.1, command },
    { silence: true, chance: 0.1, command },
    { unsolicited: true, chance: 0.2, command },
    { replyBytes: 5_000, chance: 0.1, command },
    { refuse: 'reset', chance: 0.2 },
    { reset: 'beforeRead', chance: 0.05 },
  ]
  server.setFaults(faults)
  const { code, stderr, reports } = await runScript(
    `
    const pool = new ConnectionPool({ endpoints: address, dialect: 'worker', drainTimeoutMs: 20, commandTimeoutMs: 60, maxReplyBytes: 4000, maxRetryBackoffMs: 10, retryBackoffMs: 5 })
    let settled = 0
    const codes = {}
    const done = () => { settled++ }
    const calls = Array.from({ length: 400 }, (_, at) => {
        const call = at % 3
        ? pool.execute({ type: 'echo', params: { at } })
        : pool.use((connection) => connection.execute('print'))
      return call.then(done, (error) => { codes[error.code] = (codes[error.code] ?? 0) + 1; done() })
    })
    Promise.all(calls).then(async () => {
      const { inUse, waiting } = pool.stats()
      const closed = await pool.close()
      report({ settled, codes, inUse, waiting, closed, total: pool.stats().total })
    })
    `,
    { address: server.address },
  )
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const [{ codes, ...rest }] = reports
  expect(rest).toMatchObject({ settled: 400, inUse: 0, waiting: 0, total: 0 })
  expect(codes.undefined).toBeUndefined()
  expect(Object.keys(codes)).toEqual(
    expect.arrayContaining([
      'ERR_POOL_COMMAND_TIMEOUT',
      'ERR_POOL_CONNECTION_LOST',
      'ERR_POOL_PROTOCOL',
      'ERR_POOL_REPLY_TOO_LARGE',
    ]),
  )
  await server.waitFor(({ open }) => open === 0)
})

/** A listener whose backlog is full and whose process is stopped: the kernel lets connects hang. */
async function fullListener() {
  const script = `
    const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 })
    server.on('listening', () => {
      require('node:fs').writeSync(1, String(server.address().port))
      process.kill(process.pid, 'SIGSTOP')
    })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const fillers = []
  afterwards(async () => {
    for (const socket of fillers) socket.destroy()
    child.kill('SIGKILL')
    await once(child, 'close')
  })
  const [text] = await once(child.stdout, 'data')
  const port = Number(text)
  // Two fit in; of the others the kernel drops the first packet.
  for (let count = 0; count < 6; count++) {
    fillers.push(net.connect({ port, host: '127.0.0.1' }).on('error', () => {}))
  }
  await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, 'connect')))
  return { port }
}
