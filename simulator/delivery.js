'use strict'

/** How a reply leaves: whole, in pieces, cut, or not at all. It never waits for the main thread. */

const { setImmediate: turn } = require('node:timers/promises')

const GARBAGE = Buffer.from('\u0000\u0001 this is no reply }{')
const UNSOLICITED = Buffer.from('{"nobody":"asked"}\n')

/**
 * Resolves once the kernel has taken the bytes, or the socket is gone.
 *
 * @param {import('node:net').Socket} socket
 * @param {Buffer} bytes
 * @returns {Promise<void>}
 */
function write(socket, bytes) {
  return new Promise((resolve) => {
    if (!socket.writable) return resolve()
    socket.write(bytes, () => resolve())
  })
}

/** @param {import('node:net').Socket} socket */
function reset(socket) {
  // While a FIN is on its way, which takes a turn of the event loop, the socket has no reset (EINVAL), and
  // Node would leave it open and never tell of its end. A client that does not read holds the FIN back for
  // as long as it likes, but then there are bytes to write as well, and a reset at once does no harm.
  const isFinishing = socket.writableEnded && !socket.writableFinished
  if (isFinishing && socket.writableLength === 0) {
    socket.once('finish', () => reset(socket))
    return
  }
  try {
    socket.resetAndDestroy()
  } catch {
    socket.destroy() // a Unix socket has no reset
  }
}

/** @param {string | Buffer | true} bytes @param {Buffer} standard what `true` stands for */
function bytesOf(bytes, standard) {
  return bytes === true ? standard : Buffer.from(bytes)
}

/** @param {Buffer} bytes @param {import('./index').Fault['splitAt']} splitAt */
function* piecesOf(bytes, splitAt) {
  if (splitAt === 'each') {
    for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1)
    return
  }
  const cuts = [splitAt ?? []].flat().filter((cut) => cut > 0 && cut < bytes.length)
  let start = 0
  for (const end of [...cuts.sort((a, b) => a - b), bytes.length]) {
    yield bytes.subarray(start, end)
    start = end
  }
}

/**
 * @param {import('node:net').Socket} socket
 * @param {Buffer} reply the whole frame
 * @param {object} how
 * @param {import('./index').Fault} how.fault
 * @param {boolean} how.hangUp close the connection after the reply
 * @param {import('./clock').Clock} how.clock
 * @param {(state: 'answered' | 'faulted' | 'unread') => void} how.settle called before the first byte leaves
 */
async function deliver(socket, reply, { fault, hangUp, clock, settle }) {
  if (!socket.writable) return settle('unread')
  if (fault.silence) return settle('faulted')
  if (fault.reset === 'afterRun') {
    settle('faulted')
    return reset(socket)
  }
  if (fault.reset === 'midReply') {
    settle('faulted')
    await write(socket, reply.subarray(0, reply.length >> 1))
    return reset(socket)
  }
  if (fault.truncate !== undefined) {
    settle('faulted')
    await write(socket, reply.subarray(0, fault.truncate))
    socket.end()
    return
  }

  const { garbage, unsolicited, splitAt, pauseMs } = fault
  settle(garbage === undefined ? 'answered' : 'faulted')
  const bytes = garbage === undefined ? reply : bytesOf(garbage, GARBAGE)
  const extra = unsolicited === undefined ? [] : [bytesOf(unsolicited, UNSOLICITED)]
  let first = true
  for (const piece of piecesOf(Buffer.concat([bytes, ...extra]), splitAt)) {
    if (!first) await (pauseMs ? clock.sleep(pauseMs) : turn())
    first = false
    await write(socket, piece)
  }
  if (hangUp) socket.end()
}

module.exports = { UNSOLICITED, bytesOf, deliver, reset }
