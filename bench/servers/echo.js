// @ts-check
'use strict'
// A Blender that costs next to nothing: each command comes back as its own result, in the `worker` dialect.
// A process of its own, started by ./server.js. It cuts the reply out of the request instead of parsing it,
// so that a figure is the client's; it refuses a request that is not spelled as every contestant spells it.

const net = require('node:net')
const { serveAsked } = require('./asked')

const HEAD = '{"id":'
const PARAMS = '"params":'
const PING = '"type":"ping"'

/** What the process that measures may change. */
const settings = {
  /** How long a command waits for its answer while others are served. 0: none. */
  answerMs: 0,
  /** How long a command keeps everybody waiting, as one that runs in Blender does. */
  busyMs: 0,
  /** How long a ping waits for its answer. */
  pingMs: 0,
}

let connections = 0
let pings = 0
/** Looks whether there are as many connections as somebody waits for. */
let arrived = () => {}
/** When each command was answered, by the clock that all processes share. @type {bigint[]} */
let answeredAt = []
let isNoting = false

/** @param {string} line a request; its own closing brace closes the reply */
function replyTo(line) {
  const end = line.indexOf(',')
  const params = line.indexOf(PARAMS, end)
  if (!line.startsWith(HEAD) || params < 0) throw new Error(`not a request: ${line.slice(0, 80)}`)
  const id = line.slice(HEAD.length, end)
  return `${HEAD}${id},"status":"success","result":${line.slice(params + PARAMS.length)}\n`
}

/** @param {string} line */
function isPing(line) {
  return line.lastIndexOf(PING, 40) >= 0
}

/** @param {string} line @returns {string} */
function answered(line) {
  if (isPing(line)) pings++
  else if (settings.busyMs > 0) {
    const until = performance.now() + settings.busyMs
    while (performance.now() < until);
  }
  if (isNoting) answeredAt.push(process.hrtime.bigint())
  return replyTo(line)
}

/** @param {net.Socket} socket */
function serve(socket) {
  connections++
  arrived()
  let rest = ''
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('close', () => {
    connections--
  })
  socket.on('data', (chunk) => {
    // Byte for byte: whatever it is in UTF-8 goes back as it came.
    const text = rest + chunk.toString('latin1')
    let replies = ''
    let begin = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', begin)) {
      const line = text.slice(begin, end)
      begin = end + 1
      const ms = isPing(line) ? settings.pingMs : settings.answerMs
      if (ms === 0) replies += answered(line)
      else setTimeout(() => socket.write(answered(line), 'latin1'), ms)
    }
    rest = text.slice(begin)
    if (replies !== '') socket.write(replies, 'latin1')
  })
}

serveAsked(net.createServer(serve), {
  set: (given) => Object.assign(settings, given),
  seen: () => ({ connections, pings }),
  /** Answered when so many have come. */
  connected: (count) =>
    new Promise((resolve) => {
      arrived = () => connections >= count && resolve(connections)
      arrived()
    }),
  note: () => {
    isNoting = true
    answeredAt = []
  },
  /** How many commands were answered until then. */
  answeredUntil: (nanoseconds) => answeredAt.filter((at) => at <= BigInt(nanoseconds)).length,
})
