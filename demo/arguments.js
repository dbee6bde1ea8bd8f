'use strict'

/** The demo's command line. */

const { parseArgs } = require('node:util')

const HELP = `Usage: npm run demo -- [options]

Many callers share a few connections to one Blender: they build a small scene, some of them give up
on the way, and the rest never notice. The picture is written to demo-render.png.

It uses the first of these that is there:
  1. an add-on that listens at BLENDER_HOST:BLENDER_PORT (default localhost:9876). Nothing is changed
     in it without --write
  2. a headless Blender of its own: BLENDER_BIN, a \`blender\` on PATH, BLENDER_PYTHON, or a Python
     with the bpy module
  3. the simulator that comes with this package

  --install-blender  with no Blender found: install one in .blender-env (about 1 GB, once)
  --write            build and render in an add-on's Blender too, in a scene of its own
  --simulator        use the simulator, whatever else is there
  --callers N        1 to 500; default 40
  --connections N    1 to 32; default 4
  --help

NO_COLOR=1 leaves the colours out.
`

/** @typedef {ReturnType<typeof readArguments>} Arguments */

/**
 * @param {string[]} args
 * @throws {Error} with what is wrong, in a sentence
 */
function readArguments(args) {
  const { values } = parseArgs({
    args,
    options: {
      'install-blender': { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      simulator: { type: 'boolean', default: false },
      callers: { type: 'string', default: '40' },
      connections: { type: 'string', default: '4' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return {
    install: values['install-blender'],
    write: values.write,
    simulator: values.simulator,
    callers: whole('callers', values.callers, 500),
    connections: whole('connections', values.connections, 32),
    help: values.help,
  }
}

function whole(name, text, most) {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new Error(`--${name} must be a whole number from 1 to ${most}, not ${text}`)
}

module.exports = { HELP, readArguments }
