// @ts-check
'use strict'
// Small commands and small answers: what a pool costs beside the socket, in time and on the JavaScript thread.

const { atItsServer, openOurs, openPeer } = require('../peers/command-pool')
const { callersAtWork } = require('../run/callers')
const { threadMs } = require('../run/js-thread')

const CONNECTIONS = 8
/** What surrounds the text in a request. */
const ENVELOPE = 58
const SMALL = 'x'.repeat(100 - ENVELOPE)
const LARGE = 'x'.repeat(1024 - ENVELOPE)

/**
 * @param {import('../peers/command-pool').CommandPool} pool
 * @param {number} callers
 * @param {number} count
 * @param {string} text
 */
async function measured(pool, callers, count, text) {
  const begun = performance.now()
  const before = threadMs()
  await callersAtWork(pool, callers, count, text)
  const thread = ((threadMs() - before) * 1e3) / count
  return { took: ((performance.now() - begun) * 1e3) / count, thread }
}

/**
 * @param {string} name
 * @param {import('../peers/command-pool').OpenCommandPool} open
 * @returns {import('.').Contestant}
 */
function contestant(name, open) {
  return {
    name,
    async make(callers, { full }) {
      const { pool, close } = await atItsServer(open, CONNECTIONS)
      const count = full ? 8_000 : 900
      return {
        async round() {
          const small = await measured(pool, callers, count, SMALL)
          const large = await measured(pool, callers, count, LARGE)
          return {
            value: small.took,
            thread: small.thread,
            large: large.took,
            largeThread: large.thread,
          }
        },
        close,
      }
    },
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 4,
  title: 'small commands',
  unit: 'us',
  reach: [
    { ratio: 0.9, sizes: [1] },
    { ratio: 0.7, sizes: [8, 100] },
    { measure: 'thread', ratio: 0.5 },
    { measure: 'large', ratio: 0.9, sizes: [1] },
    { measure: 'large', ratio: 0.7, sizes: [8, 100] },
    { measure: 'largeThread', ratio: 0.5 },
  ],
  sides:
    'Commands of 100 bytes, then of 1 KB, each answered with its own parameters by a server in a process of its own ' +
    '(newline JSON, the worker dialect); 8 connections, open beforehand; every answer is checked. blender-pool: one ' +
    'execute per command; health checks, time limits and statistics are on, only the limit of uses of a connection is ' +
    'off. Peers: the pool, an acquire and a release per command around a client of node:net, JSON.stringify and ' +
    "JSON.parse, without time limits; the promise of generic-pool's release is not waited for. Time on the JavaScript " +
    "thread is that thread's processor time as the scheduler counts it (process.threadCpuUsage where Node has it; " +
    'where neither is there, the active time of the event loop). Server and client share the cores there are: with ' +
    'two of them, time is also bound by what both processes need together.',
  label: 'callers',
  sizes: [1, 8, 100],
  rounds: { short: 3, full: 7 },
  measures: {
    thread: { title: 'on the JavaScript thread', unit: 'us' },
    large: { title: 'of 1 KB', unit: 'us' },
    largeThread: { title: 'of 1 KB, on the JavaScript thread', unit: 'us' },
  },
  isolated: true,
  contestants: [
    contestant('blender-pool', openOurs),
    contestant('generic-pool', openPeer('generic-pool')),
    contestant('lightning-pool', openPeer('lightning-pool')),
  ],
}

module.exports = { scenario }
