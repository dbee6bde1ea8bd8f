// @ts-check
'use strict'
// A Blender with a large scene, in the `blender-mcp` dialect: bare JSON, no delimiter, no length. `get_scene`
// is answered with as many megabytes as are asked for, written in pieces of 8 to 64 KB, each on a turn of its own.
// A process of its own, started by ./server.js.

const net = require('node:net')
const { serveAsked } = require('./asked')
const { sceneText } = require('./scene-text')

const PIECES_KB = [8, 64, 24, 48, 16, 32, 56, 40]
const PONG = '{"status":"success","result":{"pong":true}}'

/** @type {Map<number, Buffer>} */
const scenes = new Map()

/** @param {number} megabytes */
function sceneOf(megabytes) {
  const scene = scenes.get(megabytes) ?? Buffer.from(sceneText(megabytes))
  scenes.set(megabytes, scene)
  return scene
}

/** @param {net.Socket} socket @param {Buffer} bytes @param {number} [turn] */
function writeInPieces(socket, bytes, turn = 0) {
  const size = PIECES_KB[turn % PIECES_KB.length] * 1024
  if (bytes.length <= size) {
    socket.write(bytes)
    return
  }
  socket.write(bytes.subarray(0, size), () => {
    setImmediate(() => writeInPieces(socket, bytes.subarray(size), turn + 1))
  })
}

const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {})
  // A request is small and comes in one piece; the next one only after its answer.
  socket.on('data', (chunk) => {
    const { type, params } = JSON.parse(chunk.toString())
    if (type === 'get_scene') writeInPieces(socket, sceneOf(params.megabytes))
    else socket.write(PONG)
  })
})

serveAsked(server, {
  /** Makes it beforehand. */
  prepare: (megabytes) => sceneOf(megabytes).length,
})
