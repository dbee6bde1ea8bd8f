'use strict'

/**
 * What the demo builds, as commands: a spiral of coloured beads, one for each caller. `execute_code` is
 * the one command that every add-on has; a `# sim:` line says the same to the simulator.
 */

const { readFileSync } = require('node:fs')
const path = require('node:path')

const PHOTO = { width: 360, height: 260, samples: 14 }
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5))
const RADIUS = 3.45
/** From the heart of the spiral outwards; linear RGB. */
const PALETTE = [
  [0.95, 0.62, 0.1],
  [0.93, 0.25, 0.07],
  [0.8, 0.05, 0.14],
  [0.42, 0.03, 0.32],
  [0.1, 0.06, 0.45],
  [0.01, 0.2, 0.5],
  [0.0, 0.42, 0.42],
]

/**
 * @typedef {object} Piece
 * @property {string} name
 * @property {number[]} location
 * @property {number} radius
 * @property {number[]} color
 */

/**
 * @param {number} index
 * @param {number} count
 * @returns {Piece}
 */
function piece(index, count) {
  const out = Math.sqrt((index + 0.5) / count)
  const angle = index * GOLDEN_ANGLE
  const radius = (0.33 + 0.27 * out) * Math.sqrt(40 / count)
  const at = [Math.cos(angle) * out * RADIUS, Math.sin(angle) * out * RADIUS, radius]
  return {
    name: `bead ${index + 1}`,
    location: at.map((value) => Math.round(value * 1000) / 1000),
    radius,
    color: shade(out),
  }
}

/** @param {number} out 0 to 1 */
function shade(out) {
  const step = Math.min(out, 0.999) * (PALETTE.length - 1)
  const from = PALETTE[Math.floor(step)]
  const to = PALETTE[Math.floor(step) + 1]
  return from.map((value, axis) => value + (to[axis] - value) * (step % 1))
}

/**
 * @param {string} name of a file in `python/`
 * @param {Record<string, unknown>} values what the file's free names stand for
 * @param {{ command: string, params?: object }[]} simulated
 */
function code(name, values = {}, simulated = []) {
  const given = Object.entries(values).map(
    // JSON within JSON: a string literal that Python reads as JavaScript does.
    ([key, value]) => `${key} = json.loads(${JSON.stringify(JSON.stringify(value))})`,
  )
  const text = readFileSync(path.join(__dirname, 'python', `${name}.py`), 'utf8')
  const sim = simulated.map((call) => `# sim: ${JSON.stringify(call)}`)
  return ['import json', ...given, text, ...sim].join('\n')
}

const stage = () => code('stage', {}, [{ command: 'delete_object', params: { name: 'Cube' } }])

/** What a caller asks for its piece, in this order. @param {Piece} made */
function steps(made) {
  const told = { name: made.name, location: made.location }
  const { name, location, radius } = made
  return [
    [
      'place',
      code('piece', { piece: made }, [
        {
          command: 'create_primitive',
          params: { kind: 'sphere', name, location, size: 2 * radius },
        },
        { command: 'print', params: { text: name } },
      ]),
    ],
    ['paint', code('paint', { piece: made }, [{ command: 'print', params: { text: name } }])],
    [
      'look',
      code('look', { piece: made }, [
        { command: 'get_object_info', params: { name } },
        { command: 'print', params: { text: JSON.stringify(told) } },
      ]),
    ],
  ]
}

const photo = () => {
  const { width, height } = PHOTO
  return code('photo', { photo: PHOTO }, [{ command: 'render', params: { width, height } }])
}

/** Reads and changes nothing. @param {string} mark comes back with the answer */
function glance(mark) {
  const text = JSON.stringify({ mark })
  return [
    'import bpy, json',
    `print(json.dumps({"mark": ${JSON.stringify(mark)}, "objects": len(bpy.context.scene.objects)}))`,
    `# sim: ${JSON.stringify({ command: 'print', params: { text } })}`,
  ].join('\n')
}

/** Keeps Blender busy. @param {number} ms */
function busy(ms) {
  return `import time\ntime.sleep(${ms / 1000})\n# sim: {"command":"sleep","params":{"ms":${ms}}}`
}

/** How the add-ons are sent Python that may import what it likes, and tell what it printed. */
const RUNS_CODE = {
  worker: 'execute_code',
  'blender-mcp': 'execute_code',
  'blender-lab': 'execute_code',
  'blender-mcp-server': 'python.execute',
}

/** @param {string} dialect */
const canPlay = (dialect) => Object.hasOwn(RUNS_CODE, dialect)

/** @param {string} dialect one that can play @param {string} text Python */
function asCommand(dialect, text) {
  return { type: RUNS_CODE[dialect], params: { code: text } }
}

/** What the code printed: every add-on keeps it somewhere else. @param {any} reply */
function printed(reply) {
  const said = reply.stdout ?? reply.result?.stdout ?? reply.result?.result
  return typeof said === 'string' ? said.trim() : ''
}

/** The PNG of a photo's reply. @param {any} reply */
function image(reply) {
  const { result } = reply
  const text =
    printed(reply) || [result?.result, result?.value, result].find((at) => at?.data)?.data
  const png = Buffer.from(`${text}`.split('\n').pop() ?? '', 'base64')
  if (png.subarray(1, 4).toString() !== 'PNG') throw new Error('Blender gave no picture back')
  return png
}

module.exports = {
  PHOTO,
  asCommand,
  busy,
  canPlay,
  glance,
  image,
  photo,
  piece,
  printed,
  stage,
  steps,
}
