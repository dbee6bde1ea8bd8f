#!/usr/bin/env node
'use strict'

/** A simulated Blender from the command line; ends at SIGINT or SIGTERM. */

const { parseArgs } = require('node:util')

const { startSimulator } = require('./index')

const HELP = `Usage: node simulator/cli.js [options]

A Blender that is none, for trying a client without one. Prints its address and serves until
interrupted (Ctrl+C).

  --dialect NAME     worker (default), blender-mcp, blender-lab, blender-mcp-server,
                     category-action, blender-ai-mcp, blender-mcp-pro, niua
  --host HOST        default 127.0.0.1
  --port PORT        default 0: any free port
  --path PATH        a Unix socket instead
  --beat-ms N        one command a beat; default 5
  --jitter-ms N      replies come up to so much later; default 0
  --seed N           of the jitter; default 1
  --background       a Blender without a window (matters to blender-lab)
  --set NAME=VALUE   a switch of simulator/README.md, VALUE in JSON or a word; repeatable
  --fault JSON       a fault of simulator/README.md; repeatable
  --help
`

/** @param {string | undefined} text */
function numberOf(text) {
  return text === undefined ? undefined : Number(text)
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      dialect: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      path: { type: 'string' },
      'beat-ms': { type: 'string' },
      'jitter-ms': { type: 'string' },
      seed: { type: 'string' },
      background: { type: 'boolean' },
      set: { type: 'string', multiple: true, default: [] },
      fault: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return void process.stdout.write(HELP)
  const switches = values.set.map((pair) => {
    const [name, ...value] = pair.split('=')
    return [name, parsed(value.join('='))]
  })
  const faults = values.fault.map((json) => JSON.parse(json))
  const simulator = await startSimulator({
    dialect: /** @type {import('./index').DialectName | undefined} */ (values.dialect),
    host: values.host,
    port: numberOf(values.port),
    path: values.path,
    beatMs: numberOf(values['beat-ms']),
    jitterMs: numberOf(values['jitter-ms']),
    seed: numberOf(values.seed),
    background: values.background,
    ...Object.fromEntries(switches),
  })
  try {
    simulator.setFaults(faults)
  } catch (error) {
    await simulator.close()
    throw error
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => simulator.close())
  process.stdout.write(`${simulator.dialect} simulator listening on ${simulator.address}\n`)
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
