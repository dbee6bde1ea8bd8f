'use strict'

// An add-on that serves one client at a time gets one connection, whatever the pool may have elsewhere.

const { expectBalanced, faultOf, nextEvent } = require('./support/fault')
const { newPool, rawServer, simulator } = require('./support/stage')

const dialect = 'blender-ai-mcp'
const echo = (n) => ({ type: 'echo', params: { n } })

test('twenty callers share the one connection, though the pool may have five', async () => {
  const server = await simulator({ dialect, jitterMs: 3 })
  const pool = newPool({ endpoints: server.address, dialect, maxConnections: 5 })
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      n % 4 ? pool.execute(echo(n)) : pool.use((connection) => connection.execute(echo(n))),
    ),
  )
  expect(replies.map(({ result }) => result.n)).toEqual(replies.map((_, n) => n))
  expect(server.stats()).toMatchObject({ connects: 1, peak: 1, peakInFlight: 1, violations: [] })
  expect(pool.stats()).toMatchObject({ created: 1, total: 1 })
  expectBalanced(pool)
})

test('the others go elsewhere, where there is an elsewhere', async () => {
  const single = await simulator({ dialect })
  const worker = await simulator({ dialect: 'worker' })
  const pool = newPool({
    endpoints: [
      { name: 'single', address: single.address, dialect, maxConnections: 4 },
      { name: 'worker', address: worker.address, dialect: 'worker' },
    ],
    maxConnections: 4,
  })
  const held = await Promise.all([1, 2, 3].map(() => pool.acquire()))
  expect(held.filter(({ endpoint }) => endpoint === 'single').length).toBeLessThan(2)
  const calls = Array.from({ length: 10 }, (_, n) => pool.execute(echo(n)))
  for (const connection of held) await connection.release()
  await Promise.all(calls)
  expect(single.stats().peak).toBeLessThan(2)
  expectBalanced(pool)
})

test('a second holder waits for the first, and the next command for its end', async () => {
  const server = await simulator({ dialect })
  const pool = newPool({ endpoints: server.address, dialect, maxConnections: 5 })
  const first = await pool.acquire()
  const second = pool.acquire()
  await first.execute(echo(1))
  expect(pool.stats()).toMatchObject({ inUse: 1, waiting: 1 })
  await first.release()
  await (await second).release()
  expect(server.stats()).toMatchObject({ connects: 1, peak: 1 })
})

test('a connection that was given up is replaced only by one that is served', async () => {
  const server = await simulator({ dialect })
  const pool = newPool({ endpoints: server.address, dialect, maxConnections: 5 })
  for (let n = 0; n < 5; n++) {
    const connection = await pool.acquire()
    expect(await connection.execute(echo(n))).toMatchObject({ result: { n } })
    await connection.discard()
  }
  expect(server.stats()).toMatchObject({ connects: 5, lost: 0, violations: [] })
  expectBalanced(pool)
})

test('another program that got there first is told apart from a closed port', async () => {
  const server = await simulator({ dialect })
  const other = newPool({ endpoints: server.address, dialect })
  await other.execute(echo(1))
  const pool = newPool({
    endpoints: server.address,
    dialect,
    connectTimeoutMs: 150,
    connectRetryMs: 0,
  })
  const { message } = await faultOf(pool.execute(echo(2)), {
    code: 'ERR_POOL_CONNECT',
    delivered: 'no',
    retryable: true,
  })
  expect(message).toMatch(/did not answer a ping within 150 ms/)
  await other.close()
  expect(await pool.execute(echo(3))).toMatchObject({ result: { n: 3 } })
  expectBalanced(pool)
})

test('a request bears its length, an id that is text, and the add-on’s deadline in seconds', async () => {
  const requests = []
  const server = await rawServer((socket) => {
    let bytes = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
        const end = 4 + bytes.readUInt32BE(0)
        const request = JSON.parse(bytes.subarray(4, end).toString())
        bytes = bytes.subarray(end)
        requests.push(request)
        const reply = Buffer.from(
          JSON.stringify({ request_id: request.request_id, status: 'ok', result: request.args }),
        )
        const prefix = Buffer.alloc(4)
        prefix.writeUInt32BE(reply.length)
        socket.write(Buffer.concat([prefix, reply]))
      }
    })
  })
  const pool = newPool({ endpoints: server.address, dialect })
  expect(await pool.execute({ type: 'é', params: { a: '→𝄞' } })).toEqual({
    success: true,
    status: 'success',
    result: { a: '→𝄞' },
  })
  await pool.execute('plain')
  expect(requests.map(({ cmd, args }) => [cmd, args])).toEqual([
    ['ping', {}],
    ['é', { a: '→𝄞' }],
    ['plain', {}],
  ])
  const ids = requests.map(({ request_id: id }) => id)
  expect(ids).toEqual(ids.map(() => expect.stringMatching(/^[1-9]\d*$/)))
  expect(ids[1]).not.toBe(ids[2])
  for (const { timeout_seconds: seconds } of requests) expect(seconds).toBe(240)
})

test('the reply of somebody else is never taken for the answer', async () => {
  const server = await simulator({ dialect })
  const pool = newPool({ endpoints: server.address, dialect })
  await pool.execute(echo(1))
  server.setFaults({ id: '4711', command: 'echo', times: 1 })
  const { message } = await faultOf(pool.execute(echo(2)), {
    code: 'ERR_POOL_PROTOCOL',
    delivered: 'yes',
  })
  expect(message).toContain('4711')
  expect(await pool.execute(echo(3))).toMatchObject({ result: { n: 3 } })
})

test('text that answers where a length should be is another add-on, and no large reply', async () => {
  const server = await rawServer((socket) => {
    socket.on('data', () => socket.write('{"status":"error","message":"what?"}\n'))
  })
  const pool = newPool({ endpoints: server.address, dialect, pingOnConnect: false })
  const { message, advice } = await faultOf(pool.execute(echo(1)), { code: 'ERR_POOL_PROTOCOL' })
  expect(message).toContain('what?')
  expect(advice).toMatch(/dialect/)
  const asking = newPool({ endpoints: server.address, dialect })
  const closed = nextEvent(asking, 'connectionClosed')
  await faultOf(asking.execute(echo(1)), { code: 'ERR_POOL_PROTOCOL', delivered: 'no' })
  expect((await closed).error.message).toContain('what?')
})
