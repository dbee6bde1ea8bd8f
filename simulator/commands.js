'use strict'

/**
 * The commands a simulated Blender has: the add-ons' own, and a few that only tests need. Each takes
 * its parameters and the Blender, and returns the result or throws the reply's message.
 */

const { writeFile } = require('node:fs/promises')
const { resolve } = require('node:path')

/** @typedef {{ command: string, params?: any }} Call */

// `# sim: {"command":"echo","params":{}}` in a code string stands for the Python one would write.
const SIM_LINE = /^[ \t]*#[ \t]*sim:[ \t]*(\{.*\})[ \t]*$/gm

/**
 * The simulator's commands in a code string; anything else in it does nothing.
 *
 * @param {unknown} code
 * @returns {Call[]}
 */
function callsIn(code) {
  if (typeof code !== 'string') return []
  return [...code.matchAll(SIM_LINE)].flatMap(([, json]) => {
    try {
      return [JSON.parse(json)]
    } catch {
      return [{ command: 'fail', params: { message: `not JSON: ${json}` } }]
    }
  })
}

// 1, 2, 3 and 4 bytes in UTF-8.
const MULTIBYTE = 'aé→𝄞'
const MULTIBYTE_BYTES = 10

/**
 * A text of exactly `bytes` bytes in UTF-8.
 *
 * @param {number} bytes
 * @param {boolean} [multibyte] characters of one to four bytes instead of `x`
 */
function bigText(bytes, multibyte = false) {
  if (!multibyte) return 'x'.repeat(bytes)
  return MULTIBYTE.repeat(Math.floor(bytes / MULTIBYTE_BYTES)) + 'x'.repeat(bytes % MULTIBYTE_BYTES)
}

/** @type {Record<string, (params: any, blender: import('./blender').Blender) => unknown>} */
const COMMANDS = {
  ping: () => ({ pong: true }),

  get_scene_info: (_params, { scene }) => scene.info(),

  get_object_info: ({ name }, { scene }) => scene.object(name),

  create_primitive: (params, { scene }) => scene.create(params),

  delete_object: ({ name }, { scene }) => scene.delete(name),

  async render({ width = 64, height = 64, filepath }, { scene }) {
    for (const side of [width, height]) {
      if (!Number.isInteger(side) || side < 1 || side > 4096) {
        throw new Error('width and height must be integers from 1 to 4096')
      }
    }
    const image = scene.render(width, height)
    const result = { mime: 'image/png', width, height, bytes: image.length, engine: 'SIMULATOR' }
    if (filepath === undefined) return { data: image.toString('base64'), ...result }
    await writeFile(filepath, image)
    return { filepath: resolve(filepath), ...result }
  },

  async execute_code({ code }, blender) {
    if (typeof code !== 'string') throw new Error("execute_code() needs 'code', a string")
    return blender.executeCode(callsIn(code))
  },

  echo: (params) => params,

  async sleep({ ms = 0 }, { clock }) {
    await clock.sleep(ms)
    return { slept: ms }
  },

  async hold(_params, blender) {
    await blender.hold()
    return { held: true }
  },

  print({ text = '' }, { stdout }) {
    stdout.print(text)
    return { printed: text.length }
  },

  big: ({ bytes = 0, multibyte = false }) => bigText(bytes, multibyte),

  fail({ message = 'failed on demand' }) {
    throw new Error(message)
  },

  load_file({ filepath = 'untitled.blend' }, blender) {
    blender.loadFile()
    return { loaded: filepath }
  },

  quit(_params, blender) {
    blender.quit()
    return { quit: true }
  },
}

module.exports = { COMMANDS, bigText, callsIn }
