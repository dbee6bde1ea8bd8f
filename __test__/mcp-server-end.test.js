'use strict'

// How the MCP server of examples/mcp-server ends: told so by its host, left by it, or stopped by a signal, and
// with calls under way. It answers what it can, ends by itself with 0, and leaves no connection behind.

const { buildServer } = require('./support/mcp-build')
const { expectGoodEnd, startServer } = require('./support/mcp-host')
const { simLine } = require('./support/dialects')
const { closedPort, simulator } = require('./support/stage')

const HOLD = { code: `${simLine('hold', {})}\n${simLine('print', { text: 'held' })}` }
const AFTER = { code: simLine('print', { text: 'after' }) }

let built

beforeAll(() => {
  built = buildServer()
})
afterAll(() => built.remove())

/** A server whose Blender has done a command. */
async function newServer() {
  const blender = await simulator({ dialect: 'blender-mcp' })
  const server = await startServer(built.main, { BLENDER_ENDPOINTS: blender.address })
  await server.call('execute_code', AFTER)
  return { blender, server }
}

/** The same, in the middle of a call, and with one more that waits. */
async function busyServer() {
  const { blender, server } = await newServer()
  const held = server.call('execute_code', HOLD)
  await blender.waitFor(({ commands }) => {
    return commands.some(({ command, state }) => command === 'execute_code' && state === 'running')
  })
  const waiting = server.call('execute_code', AFTER)
  await server.client.ping()
  return { blender, server, held, waiting }
}

async function expectNothingLeft(server, blender) {
  await expectGoodEnd(server)
  await blender.waitFor(({ open }) => open === 0)
}

test.each([
  ['its input ends', (child) => child.stdin.end(), /ended \(input ended\)/],
  ['SIGTERM comes', (child) => child.kill('SIGTERM'), /ended \(SIGTERM\)/],
  ['Ctrl-C is pressed', (child) => child.kill('SIGINT'), /ended \(SIGINT\)/],
])('it ends when %s', async (_when, end, words) => {
  const { blender, server } = await newServer()
  end(server.child)
  await expectNothingLeft(server, blender)
  expect(server.log.at(-1)).toMatch(words)
})

test('it ends when it never saw a Blender', async () => {
  const server = await startServer(built.main, { BLENDER_PORT: `${await closedPort()}` })
  server.child.stdin.end()
  await expectGoodEnd(server)
})

test('what runs when the input ends is answered, once Blender is done', async () => {
  const { blender, server, held, waiting } = await busyServer()
  server.child.stdin.end()
  const refused = await waiting
  expect(refused.isError).toBe(true)
  expect(refused.text).toMatch(/ERR_POOL_CLOSED.*delivered: no/s)
  blender.release()
  expect(await held).toMatchObject({ text: 'held\n' })
  await expectNothingLeft(server, blender)
})

test('what Blender does not finish is cut and told so, and it ends all the same', async () => {
  const { blender, server, held, waiting } = await busyServer()
  server.child.kill('SIGTERM')
  expect((await waiting).text).toMatch(/delivered: no/)
  // While it waits for the call under way, a host that asks for more is refused.
  expect((await server.call('execute_code', AFTER)).text).toMatch(/ERR_POOL_CLOSED/)
  const cut = await held
  expect(cut.isError).toBe(true)
  expect(cut.text).toMatch(/ERR_POOL_CLOSED.*delivered: maybe/s)
  await expectNothingLeft(server, blender)
  blender.release()
})

test('it ends before a host has lost its patience and sends a signal', async () => {
  const { blender, server, held, waiting } = await busyServer()
  const outcome = Promise.allSettled([held, waiting])
  await server.client.close() // which waits 2 s for the end, and then sends SIGTERM
  await outcome
  await expectNothingLeft(server, blender)
  expect(server.log.at(-1)).toMatch(/ended \(input ended\)/)
})

test('it ends when nobody reads its answers any more', async () => {
  const { blender, server } = await newServer()
  server.child.stdout.destroy()
  const unread = server.call('execute_code', AFTER, { timeout: 500 }).catch(() => {})
  const { code, signal, log } = await server.ended
  expect({ code, signal }).toEqual({ code: 0, signal: null })
  expect(log.at(-1)).toMatch(/ended \(output closed\)/)
  await blender.waitFor(({ open }) => open === 0)
  await unread
})

test('it ends after a message that is too long to be one', async () => {
  const { blender, server } = await newServer()
  server.child.stdin.on('error', () => {}) // it stops reading in the middle
  server.child.stdin.write('x'.repeat(11 * 1024 * 1024))
  await expectNothingLeft(server, blender)
  expect(server.log.join('\n')).toMatch(/exceeded maximum size.*ended \(connection closed\)/s)
})

test('it puts up with lines that are no messages', async () => {
  const { blender, server } = await newServer()
  server.child.stdin.write('hello\n{"jsonrpc":"2.0"}\n')
  expect(await server.call('execute_code', AFTER)).toMatchObject({ text: 'after\n' })
  server.child.stdin.end()
  await expectNothingLeft(server, blender)
})
