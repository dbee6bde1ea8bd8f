'use strict'

// What the benchmarks of commands measure against: the servers give the right answers to everybody, the hand-written
// clients read them, and a wrong answer is an error and never a figure.

const net = require('node:net')
const { atItsServer, openOurs, openPeer } = require('../bench/peers/command-pool')
const { JsonLineClient } = require('../bench/peers/json-line-client')
const { ParsePerChunkClient } = require('../bench/peers/parse-per-chunk-client')
const { callersAtWork } = require('../bench/run/callers')
const { heldLoop } = require('../bench/run/held-loop')
const { checkScene, sceneText } = require('../bench/servers/scene-text')
const { startServer } = require('../bench/servers/server')
const { ConnectionPool } = require('..')

const MULTIBYTE = { text: 'aé→𝄞 "\\ \n', list: [1, { deep: null }] }

let undo = []

afterEach(async () => {
  const steps = undo.reverse()
  undo = []
  for (const step of steps) await step()
})

async function server(name) {
  const started = await startServer(name)
  undo.push(() => started.stop())
  return started
}

describe('the echo server', () => {
  test.each([
    ['blender-pool', openOurs],
    ['generic-pool', openPeer('generic-pool')],
  ])('gives each command back to %s, whatever is in it', async (_name, open) => {
    const { pool, close } = await atItsServer(open, 2)
    undo.push(close)
    const { result } = await pool.execute({ type: 'echo', params: MULTIBYTE })
    expect(result).toEqual(MULTIBYTE)
    await callersAtWork(pool, 5, 50, 'x'.repeat(200_000))
  })

  test('notes when it has answered a command, by the clock of all processes', async () => {
    const echo = await server('echo')
    const client = await JsonLineClient.connect(echo)
    undo.push(() => client.destroy())
    await echo.ask('note')
    const before = process.hrtime.bigint()
    await client.execute({ type: 'echo', params: {} })
    await client.execute({ type: 'echo', params: {} })
    expect(await echo.ask('answeredUntil', String(before))).toBe(0)
    expect(await echo.ask('answeredUntil', String(process.hrtime.bigint()))).toBe(2)
  })

  test('counts connections and pings', async () => {
    const echo = await server('echo')
    const clients = await Promise.all([JsonLineClient.connect(echo), JsonLineClient.connect(echo)])
    for (const client of clients) undo.push(() => client.destroy())
    await echo.ask('connected', 2)
    await clients[0].execute({ type: 'ping', params: {} })
    expect(await echo.ask('seen')).toEqual({ connections: 2, pings: 1 })
  })
})

describe('the scene server', () => {
  test('sends as much as is asked for, which the pool and the peer read alike', async () => {
    const blender = await server('scene')
    expect(await blender.ask('prepare', 1)).toBe(sceneText(1).length)
    const pool = new ConnectionPool({ endpoints: blender.address, dialect: 'blender-mcp' })
    undo.push(() => pool.close())
    const client = new ParsePerChunkClient(blender)
    undo.push(() => client.destroy())
    await client.connected()
    const command = { type: 'get_scene', params: { megabytes: 1 } }
    const ours = await pool.execute(command)
    const theirs = await client.execute(command)
    checkScene(ours.result, 1)
    expect(theirs.result).toEqual(ours.result)
  })

  test('is given up by the peer after its limit', async () => {
    const client = new ParsePerChunkClient(await server('scene'))
    await client.connected()
    expect(await client.execute({ type: 'get_scene', params: { megabytes: 1 } }, 0)).toBeNull()
  })

  test('is missed when its end is', () => {
    const { result } = JSON.parse(sceneText(0.01))
    checkScene(result, 0.01)
    result.objects.at(-1).visible = 'perhaps'
    expect(() => checkScene(result, 0.01)).toThrow('came back as something else')
  })
})

test('an answer that belongs to another command is an error', async () => {
  const late = { execute: async ({ params }) => ({ result: { ...params, number: 0 } }) }
  await expect(callersAtWork(late, 1, 1, 'x')).resolves.toBeUndefined()
  await expect(callersAtWork(late, 1, 2, 'x')).rejects.toThrow('Command 1 was answered')
})

test('a client whose server hangs up tells whoever waits', async () => {
  const rude = net.createServer((socket) => socket.once('data', () => socket.destroy()))
  await new Promise((resolve) => rude.listen(0, '127.0.0.1', resolve))
  undo.push(() => new Promise((resolve) => rude.close(resolve)))
  const client = await JsonLineClient.connect({ host: '127.0.0.1', port: rude.address().port })
  await expect(client.execute({ type: 'echo', params: {} })).rejects.toThrow(
    'the socket was closed',
  )
})

test('what holds the event loop is seen as one stretch', async () => {
  const work = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    return 'done'
  }
  const { outcome, longestMs } = await heldLoop(work)
  expect(outcome).toBe('done')
  expect(longestMs).toBeGreaterThan(90)
})
