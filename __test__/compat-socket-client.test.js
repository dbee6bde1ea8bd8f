'use strict'

// The old client's public face over this package's pool. It was one socket without an order; now it is one
// connection with one.

const {
  BlenderSocketClient,
  BufferOverflowError,
  ChunkCountExceededError,
  getBlenderClient,
} = require('blender-pool/compat/socket-client')
const { PoolError } = require('..')
const { outcome, turn } = require('./support/arena')
const { busy, environment, oldClient } = require('./support/compat')
const { afterwards, closedPort, rawServer, simulator } = require('./support/stage')

const DIALECT = 'blender-mcp'
const MAX_BYTES = 50 * 1024 * 1024
const numbers = (count) => Array.from({ length: count }, (_, n) => n)

test('two commands at the same time each get their own reply', async () => {
  const server = await simulator({ dialect: DIALECT, jitterMs: 5 })
  const client = oldClient(server)
  await client.connect()
  const [scene, echo] = await Promise.all([
    client.sendCommand('get_scene_info'),
    client.sendCommand('echo', { n: 2 }),
  ])
  expect(scene).toMatchObject({ status: 'success', result: { name: 'Scene' } })
  expect(echo).toEqual({ status: 'success', result: { n: 2 } })
  const more = await Promise.all(numbers(100).map((n) => client.sendCommand('echo', { n })))
  expect(more.map(({ result }) => result.n)).toEqual(numbers(100))
  expect(server.stats()).toMatchObject({ violations: [], open: 1, peakInFlight: 1 })
})

test('connecting again and again makes one connection', async () => {
  const server = await simulator({ dialect: DIALECT })
  const client = oldClient(server)
  await Promise.all([client.connect(), client.connect()])
  const { connects } = server.stats()
  await client.connect()
  await client.sendCommand('ping')
  expect(server.stats()).toMatchObject({ connects, open: 1 })
})

test('connecting where a command runs does not wait for it', async () => {
  const server = await simulator({ dialect: DIALECT })
  const client = oldClient(server)
  const running = client.sendCommand('hold')
  await busy(server)
  await client.connect()
  server.release()
  expect(await running).toMatchObject({ status: 'success' })
})

test('a command connects where nobody has', async () => {
  const client = oldClient(await simulator({ dialect: DIALECT }))
  expect(await client.validateConnection()).toBe(false)
  expect(await client.sendCommand('ping')).toMatchObject({ status: 'success' })
  expect(await client.validateConnection()).toBe(true)
})

test('after disconnect it connects again, and again', async () => {
  const server = await simulator({ dialect: DIALECT })
  const client = oldClient(server)
  await client.disconnect()
  for (let round = 0; round < 3; round++) {
    await client.connect()
    expect(await client.validateConnection()).toBe(true)
    expect(await client.sendCommand('ping')).toMatchObject({ status: 'success' })
    await client.disconnect()
    expect(await client.validateConnection()).toBe(false)
    await server.waitFor(({ open }) => open === 0)
  }
  expect(await client.sendCommand('ping')).toMatchObject({ status: 'success' })
})

test('disconnect lets the command that runs finish', async () => {
  const server = await simulator({ dialect: DIALECT })
  const client = oldClient(server)
  const running = client.sendCommand('hold')
  await busy(server)
  const leaving = client.disconnect()
  server.release()
  expect(await running).toMatchObject({ status: 'success' })
  await leaving
})

test('it notices that Blender has gone, and works again when it is back', async () => {
  const server = await simulator({ dialect: DIALECT })
  const client = oldClient(server)
  await client.connect()
  const { error } = await outcome(client.sendCommand('quit'))
  expect(error).toMatchObject({ code: 'ERR_POOL_CONNECTION_LOST', delivered: 'maybe' })
  expect(error.message).toBe('Connection closed before complete response')
  // The caller may be told before the socket is closed at this end.
  while (await client.validateConnection()) await turn()
  await server.restart()
  await client.connect()
  expect(await client.validateConnection()).toBe(true)
  expect(await client.sendCommand('ping')).toMatchObject({ status: 'success' })
})

test('without a Blender both ends say so in the old words', async () => {
  const port = await closedPort()
  const client = oldClient({ port })
  for (const call of [() => client.connect(), () => client.sendCommand('ping')]) {
    const { error } = await outcome(call())
    expect(error.message).toBe(
      `Failed to connect to Blender: connect ECONNREFUSED 127.0.0.1:${port}`,
    )
    expect(error).toMatchObject({ code: 'ERR_POOL_CONNECT', cause: { code: 'ERR_POOL_CONNECT' } })
  }
  expect(await client.validateConnection()).toBe(false)
})

test('an error of Blender’s own resolves', async () => {
  const client = oldClient(await simulator({ dialect: DIALECT }))
  const reply = await client.sendCommand('fail', { message: 'Object not found' })
  expect(reply).toEqual({ status: 'error', message: 'Object not found' })
})

test('a command that is not answered in time rejects, and the next one is served', async () => {
  const server = await simulator({ dialect: DIALECT })
  server.setFaults({ command: 'echo', silence: true, times: 1 })
  const client = oldClient(server, 1_000)
  const { error } = await outcome(client.sendCommand('echo'))
  expect(error.message).toBe('Response timeout - no complete JSON received within timeout period')
  expect(error).toMatchObject({ code: 'ERR_POOL_COMMAND_TIMEOUT', delivered: 'maybe' })
  expect((await client.sendCommand('echo', { n: 1 })).result).toEqual({ n: 1 })
})

test('a reply that is none is shown', async () => {
  const client = oldClient(
    await rawServer((socket) => socket.on('data', () => socket.write('{"ok":1}'))),
  )
  await expect(client.sendCommand('ping')).rejects.toThrow(
    'Invalid response structure from Blender. Expected BlenderSocketResponse with status field, got: {"ok":1}',
  )
})

test('a reply of more than 50 MB rejects with its figures, and the next command is served', async () => {
  const server = await simulator({ dialect: DIALECT })
  server.setFaults({ command: 'echo', replyBytes: MAX_BYTES + 1, times: 1 })
  const client = oldClient(server)
  const { error } = await outcome(client.sendCommand('echo'))
  expect(error).toBeInstanceOf(BufferOverflowError)
  expect(error).toMatchObject({
    name: 'BufferOverflowError',
    maxSize: MAX_BYTES,
    code: 'ERR_POOL_REPLY_TOO_LARGE',
  })
  expect(error.totalBytes).toBeGreaterThan(MAX_BYTES)
  expect(error.chunkCount).toBeGreaterThan(0)
  expect(error.message).toBe(
    `Buffer exceeded maximum size: ${MAX_BYTES} bytes (received ${error.totalBytes} bytes after ${error.chunkCount} chunks)`,
  )
  expect(error.cause).toBeInstanceOf(PoolError)
  expect((await client.sendCommand('echo', { n: 1 })).result).toEqual({ n: 1 })
})

test('a reply in more than 10 000 pieces is read', async () => {
  const server = await simulator({ dialect: DIALECT })
  server.setFaults({ command: 'big', splitAt: 'each' })
  const client = oldClient(server)
  const { result } = await client.sendCommand('big', { bytes: 11_000, multibyte: true })
  expect(Buffer.byteLength(result.text ?? result)).toBe(11_000)
})

test('what is left out the environment says, when the client is made', async () => {
  const { port } = await simulator({ dialect: DIALECT })
  environment({ BLENDER_HOST: '127.0.0.1', BLENDER_PORT: port })
  const client = new BlenderSocketClient()
  afterwards(() => client.disconnect())
  environment({ BLENDER_PORT: await closedPort() })
  expect(await client.sendCommand('ping')).toMatchObject({ status: 'success' })
})

test('the process has one client of its own', () => {
  expect(getBlenderClient()).toBeInstanceOf(BlenderSocketClient)
  expect(getBlenderClient()).toBe(getBlenderClient())
})

test('the errors are what they were', () => {
  expect(new BufferOverflowError(9, 8, 2).message).toBe(
    'Buffer exceeded maximum size: 8 bytes (received 9 bytes after 2 chunks)',
  )
  const error = new ChunkCountExceededError(10_001, 10_000)
  expect(error).toMatchObject({
    name: 'ChunkCountExceededError',
    message: 'Exceeded maximum chunk count: 10000 (received 10001 chunks)',
    chunkCount: 10_001,
    maxChunks: 10_000,
  })
})
