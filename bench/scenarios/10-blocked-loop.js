// @ts-check
'use strict'
// Commands in the queue when JavaScript stands still for a second: how many of them are answered meanwhile.

const { atItsServer, openOurs, openPeer } = require('../peers/command-pool')

const CONNECTIONS = 4
const COMMANDS = 1_000
const ANSWER_MS = 1
const BLOCKED_MS = 1_000
/** Of the round that is thrown away. */
const BRIEFLY_MS = 20

/** No timer, no callback, no promise. @param {number} ms */
function standStill(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/**
 * @param {string} name
 * @param {import('../peers/command-pool').OpenCommandPool} open
 * @returns {import('.').Contestant}
 */
function contestant(name, open) {
  return {
    name,
    async make() {
      const { server, pool, close } = await atItsServer(open, CONNECTIONS)
      await server.ask('set', { answerMs: ANSWER_MS })
      return {
        async round(round) {
          await server.ask('note')
          const commands = Array.from({ length: COMMANDS }, (_, number) =>
            pool.execute({ type: 'echo', params: { number } }),
          )
          // Whoever sends only on a later turn has had one.
          await new Promise((resolve) => setImmediate(resolve))
          standStill(round === 0 ? BRIEFLY_MS : BLOCKED_MS)
          const ended = process.hrtime.bigint()
          const replies = await Promise.all(commands)
          const wrong = replies.findIndex(({ result }, number) => result.number !== number)
          if (wrong >= 0) throw new Error(`Command ${wrong} has another's answer.`)
          return await server.ask('answeredUntil', String(ended))
        },
        close,
      }
    },
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 10,
  title: '1 000 commands queued, event loop blocked for 1 s: answered meanwhile',
  unit: 'count',
  better: 'more',
  reach: { atLeast: 0.95 * COMMANDS },
  sides:
    '1 000 commands are given to the pool at once, over 4 connections that are open; a turn of the event loop later ' +
    'JavaScript stands still for a second (Atomics.wait). Each command takes the server, a process of its own, 1 ms. ' +
    'The figure is how many it had answered by the end of that second, by its own clock. blender-pool: execute. ' +
    'Peers: acquire, a client of node:net and JSON, release. In the end all answers have come and are the right ones.',
  label: 'connections',
  sizes: [CONNECTIONS],
  rounds: { short: 1, full: 3 },
  isolated: true,
  contestants: [
    contestant('blender-pool', openOurs),
    contestant('generic-pool', openPeer('generic-pool')),
    contestant('lightning-pool', openPeer('lightning-pool')),
  ],
}

module.exports = { scenario }
