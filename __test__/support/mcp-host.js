'use strict'

// A host of the example MCP server: starts it as a process, talks to it as the official client does, and
// keeps what it printed.

const { Client } = require('@modelcontextprotocol/sdk/client/index.js')
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js')
const { EventEmitter, once } = require('node:events')
const { createInterface } = require('node:readline')
const { afterwards } = require('./stage')

/**
 * @param {string} main
 * @param {Record<string, string>} env nothing else of this process's settings reaches it
 */
async function startServer(main, env) {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [main],
    env,
    stderr: 'pipe',
  })
  const log = []
  const news = new EventEmitter().setMaxListeners(0)
  const lines = createInterface({ input: transport.stderr }).on('line', (line) => {
    log.push(line)
    news.emit('line')
  })
  const output = []
  let child
  let ended
  const start = transport.start.bind(transport)
  transport.start = async () => {
    await start()
    // The transport keeps its process to itself, and with it how that ended.
    child = transport._process
    child.stdout.on('data', (bytes) => output.push(bytes))
    ended = Promise.all([once(child, 'close'), once(lines, 'close')]).then(([[code, signal]]) => {
      news.emit('line')
      return { code, signal, log, output: Buffer.concat(output).toString() }
    })
    afterwards(async () => {
      child.kill('SIGKILL')
      await ended
    })
  }

  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(transport).catch(async (error) => {
    throw Object.assign(error, await ended)
  })
  return {
    client,
    child,
    ended,
    log,
    /** @returns the answer, its first text as `text` */
    call(name, args = {}, options = {}) {
      const call = client
        .callTool({ name, arguments: args }, undefined, options)
        .then((answer) => ({ ...answer, text: textOf(answer) }))
      // A test that fails awaits no more of its calls, which end with the server.
      call.catch(() => {})
      return call
    },
    /** Resolves once a line like this is in its log. @param {RegExp} wanted */
    async said(wanted) {
      while (!log.some((line) => wanted.test(line))) {
        if (child.exitCode !== null)
          throw new Error(`It ended without ${wanted}: ${log.join('\n')}`)
        await once(news, 'line')
      }
    },
  }
}

const textOf = ({ content }) => content.find(({ type }) => type === 'text')?.text

/** It ended by itself and well, and said nothing but its own log and the protocol. */
async function expectGoodEnd(server) {
  const { code, signal, log, output } = await server.ended
  expect({ code, signal }).toEqual({ code: 0, signal: null })
  for (const line of log) expect(line).toMatch(/^blender-mcp-server: /)
  for (const line of output.trimEnd().split('\n')) {
    expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' })
  }
}

module.exports = { expectGoodEnd, startServer }
