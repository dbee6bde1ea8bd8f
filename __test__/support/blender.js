'use strict'

// A real Blender for a test: the headless worker, in whichever Blender is found.

const { findBlender, startWorker } = require('../../scripts/blender-env.js')

let found

/** @param {{ dialect: 'worker' | 'blender-mcp', port?: number }} options */
async function startBlender(options) {
  found ??= findBlender()
  const blender = await found
  if (blender === null) throw new Error('There is no Blender; `npm run test:e2e` makes one.')
  return startWorker({ blender, extraArgs: ['--empty'], ...options })
}

/** `execute_code`. @param {string} code */
const python = (code) => ({ type: 'execute_code', params: { code } })

/** Code that prints one JSON value. @param {string} expression @param {string} [before] */
const telling = (expression, before = '') =>
  python(`import bpy, json\n${before}\nprint(json.dumps(${expression}, ensure_ascii=False))`)

/** What the code of a reply printed; each dialect keeps it elsewhere. */
function printed({ success, message, result }) {
  if (!success) throw new Error(message)
  return result.stdout ?? result.result
}

/** The value that `telling` code told. */
const told = (reply) => JSON.parse(printed(reply))

module.exports = { printed, python, startBlender, telling, told }
