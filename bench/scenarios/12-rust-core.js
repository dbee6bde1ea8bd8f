// @ts-check
'use strict'
// The core without JavaScript, beside pools for Rust: tasks that share a quarter as many slots. criterion times each
// scene; who is timed when is up to the frame, as everywhere.

const { built } = require('../run/cargo')
const { timed } = require('../run/criterion')

/** @typedef {import('../run/criterion').Profile} Profile */

/** @type {{ short: Profile, full: Profile }} */
const PROFILES = {
  short: { warmUpS: 0.01, measureS: 0.02, samples: 10 },
  full: { warmUpS: 0.1, measureS: 0.4, samples: 20 },
}
/** Those with a queue that nobody overtakes: a slot that is given back belongs to whoever has waited longest. */
const IN_ORDER = ['deadpool', 'mobc', 'fastpool']

/** @type {Promise<string> | undefined} */
let building

function benches() {
  building ??= built('pools', ['bench', '--no-run', '--bench', 'pools'])
  return building
}

/** @param {string} name @param {string} crate @returns {import('.').Contestant} */
function contestant(name, crate = name) {
  return {
    name,
    async make(tasks, { full }) {
      const program = await benches()
      const profile = full ? PROFILES.full : PROFILES.short
      const scene = (/** @type {string} */ group) =>
        timed(program, `${group}/${crate}/${tasks}x${tasks / 4}`, profile)
      return {
        async round() {
          const { median: value, low, high } = await scene('held, two workers')
          const { median: oneThread } = await scene('held, one thread')
          const { median: brief } = await scene('brief, two workers')
          return { value, oneThread, brief, interval: (100 * (high - low)) / value }
        },
      }
    },
  }
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 12,
  title: 'the Rust core alone',
  figure: 'on two threads',
  unit: 'ns',
  reach: [
    { ratio: 1, sizes: [64] },
    {
      among: { title: 'beside those that serve in order', peers: IN_ORDER },
      sizes: [64],
    },
  ],
  sides:
    'No JavaScript: tasks of a tokio runtime acquire and release over and over, four for each slot. The figure is an ' +
    'acquire and its release on two worker threads, where a task lets others run while it holds its slot, so that ' +
    'nearly everybody waits; beside it the same on one thread, and on two where a slot is given back at once. criterion ' +
    'takes the times, and the table shows how wide its interval of confidence (95 %) for the figure is. Everything is ' +
    'open beforehand, no pool checks what it hands out, nothing grows old; a limit on waiting is on where a pool has one ' +
    'by default (blender-pool, bb8, mobc). blender-pool, deadpool, mobc and fastpool serve in the order of asking. bb8 ' +
    'and qp do not: they wake somebody who waits, and whoever comes by first takes the slot. That costs less, and a ' +
    'task may wait for ever; blender-pool is compared with the fastest of all none the less, and beside that with the ' +
    'fastest that serves in order. The peers keep a queue and a list of things; the core also keeps health, priorities, ' +
    'age and events.',
  label: 'tasks',
  sizes: [16, 64, 256],
  rounds: { short: 3, full: 3 },
  measures: {
    oneThread: { title: 'on one thread', unit: 'ns' },
    brief: { title: 'given back at once', unit: 'ns' },
    interval: { title: 'width of the interval', unit: 'percent', aside: true },
  },
  // criterion warms up itself.
  warmUp: false,
  async prepare(tell) {
    tell('building bench/rust, which takes minutes the first time')
    await benches()
  },
  contestants: [
    contestant('blender-pool', 'blender_pool'),
    contestant('bb8'),
    contestant('deadpool'),
    contestant('fastpool'),
    contestant('mobc'),
    contestant('qp'),
  ],
}

module.exports = { scenario }
