// @ts-check
'use strict'
// What a command costs more through the pool than over one bare socket that has no pool.

const { atItsServer, openOurs } = require('../peers/command-pool')
const { JsonLineClient } = require('../peers/json-line-client')
const { callersAtWork } = require('../run/callers')
const { quantile } = require('../run/statistics')

/** Commands in a round, by the work of one in ms. @type {Record<number, { short: number, full: number }>} */
const COUNTS = {
  0: { short: 1_000, full: 10_000 },
  1: { short: 100, full: 500 },
  5: { short: 20, full: 150 },
}
const TEXT = 'x'.repeat(100)

/** One socket, nothing around it. @type {import('../peers/command-pool').OpenCommandPool} */
async function openBare(server) {
  const client = await JsonLineClient.connect(server)
  return { execute: (command) => client.execute(command), close: () => client.destroy() }
}

/**
 * @param {string} name
 * @param {import('../peers/command-pool').OpenCommandPool} open
 * @returns {import('.').Contestant}
 */
function contestant(name, open) {
  return {
    name,
    async make(busyMs, { full }) {
      const { server, pool, close } = await atItsServer(open, 1)
      await server.ask('set', { busyMs })
      const count = full ? COUNTS[busyMs].full : COUNTS[busyMs].short
      return {
        async round() {
          /** @type {number[]} */
          const took = []
          const timed = {
            /** @param {import('../peers/command-pool').Command} command */
            async execute(command) {
              const begun = performance.now()
              const reply = await pool.execute(command)
              took.push(performance.now() - begun)
              return reply
            },
          }
          await callersAtWork(timed, 1, count, TEXT)
          return { value: quantile(took, 0.5) * 1e3, p99: quantile(took, 0.99) * 1e3 }
        },
        close,
      }
    },
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 16,
  title: 'a command through the pool and over a bare socket',
  unit: 'us',
  reach: { ratio: 1.05 },
  sides:
    'One caller sends one command after the other over one connection, 160 bytes each, to a server in a process of its ' +
    'own, where the command does nothing, or is busy for 1 or 5 ms (the popular add-on looks after its commands each ' +
    '5 ms). The figure is the median of the commands of a round. blender-pool: execute, everything as it comes. The ' +
    'peer is no pool: one socket of node:net, JSON.stringify, JSON.parse, no time limit, no answer to a lost connection.',
  label: 'ms of work',
  sizes: [0, 1, 5],
  rounds: { short: 3, full: 7 },
  measures: { p99: { title: 'p99', unit: 'us' } },
  isolated: true,
  contestants: [contestant('blender-pool', openOurs), contestant('bare socket', openBare)],
}

module.exports = { scenario }
