// @ts-check
'use strict'
// One large reply without a delimiter, in many pieces: how long it keeps the event loop from everything else.

const { ConnectionPool } = require('../..')
const { ParsePerChunkClient } = require('../peers/parse-per-chunk-client')
const { heldLoop } = require('../run/held-loop')
const { collect } = require('../run/rubbish')
const { median } = require('../run/statistics')
const { checkScene, sceneText } = require('../servers/scene-text')
const { startServer } = require('../servers/server')

/** A round of what is over soon is several of it, whose median counts: one may meet a busy machine. */
const TIMES = 3
const LIMIT_MS = { short: 1_000, full: 20_000 }

/** @param {number} megabytes @returns {Promise<import('../servers/server').Server>} */
async function preparedServer(megabytes) {
  const server = await startServer('scene')
  await server.ask('prepare', megabytes)
  return server
}

/** The text in one piece, as it is when it has come over a socket. @param {number} megabytes */
const flatText = (megabytes) => Buffer.from(sceneText(megabytes)).toString()

/** @param {string} text @param {number} megabytes @returns {number} ms */
function oneParse(text, megabytes) {
  collect()
  const begun = performance.now()
  const { result } = JSON.parse(text)
  const took = performance.now() - begun
  checkScene(result, megabytes)
  return took
}

/** @param {ConnectionPool} pool @param {number} megabytes */
async function oneReply(pool, megabytes) {
  collect()
  const { outcome, ...held } = await heldLoop(() =>
    pool.execute({ type: 'get_scene', params: { megabytes } }),
  )
  checkScene(outcome.result, megabytes)
  return held
}

/** @type {import('.').Contestant} */
const ours = {
  name: 'blender-pool',
  async make(megabytes) {
    const server = await preparedServer(megabytes)
    const pool = new ConnectionPool({ endpoints: server.address, dialect: 'blender-mcp' })
    await pool.execute('ping')
    const text = flatText(megabytes)
    return {
      async round() {
        const active = []
        const longest = []
        const parse = []
        for (let time = 0; time < TIMES; time++) {
          const { activeMs, longestMs } = await oneReply(pool, megabytes)
          active.push(activeMs)
          longest.push(longestMs)
          parse.push(oneParse(text, megabytes))
        }
        const parses = median(longest) / median(parse)
        return { value: median(active), longest: median(longest), parses }
      },
      async close() {
        await pool.close()
        await server.stop()
      },
    }
  },
}

/** @type {import('.').Contestant} */
const parsePerChunk = {
  name: 'parse per chunk',
  async make(megabytes, { full }) {
    const server = await preparedServer(megabytes)
    const limitMs = full ? LIMIT_MS.full : LIMIT_MS.short
    return {
      async round(round) {
        const client = new ParsePerChunkClient(server)
        await client.connected()
        const { outcome, activeMs, longestMs } = await heldLoop(() =>
          // The round that is thrown away takes no longer than it must.
          client.execute({ type: 'get_scene', params: { megabytes } }, round === 0 ? 200 : limitMs),
        )
        if (outcome !== null) checkScene(outcome.result, megabytes)
        client.destroy()
        return { value: activeMs, longest: longestMs, whole: outcome === null ? 0 : 1 }
      },
      close: () => server.stop(),
    }
  },
}

/** @type {import('.').Contestant} */
const parseOnce = {
  name: 'one JSON.parse',
  side: 'reference',
  make(megabytes) {
    const text = flatText(megabytes)
    const once = () => oneParse(text, megabytes)
    return { round: () => median(Array.from({ length: TIMES }, once)) }
  },
}

/** @type {import('.').Scenario} */
const scenario = {
  number: 5,
  title: 'a large reply in pieces, event loop used',
  unit: 'ms',
  reach: [
    { ratio: 0.1, sizes: [8] },
    { growth: 1.35 },
    { measure: 'parses', atMost: 1.25, sizes: [8, 32] },
  ],
  sides:
    'One command is answered with the objects of a scene, 1, 8 and 32 MB of bare JSON, which a server in a process of its ' +
    'own writes in pieces of 8 to 64 KB. The figure is the active time of the event loop from the command to the ' +
    'parsed and checked answer; the longest stretch is what a timer of 1 ms was late by at most, so of 1 MB it is rough. ' +
    'blender-pool: execute, whose text is copied to JavaScript once and parsed once. The peer keeps the text and tries ' +
    'JSON.parse with each piece, as clients of the popular add-on that are written by hand do; it gives up after 2 s ' +
    '(long form: 20 s), and then its figure is the time until there, less than it would have needed, and its answer ' +
    'was not whole. One JSON.parse is that of the whole text in memory; it grows somewhat faster than the text itself, ' +
    'for what it makes has to be collected, and so does whatever parses.',
  label: 'MB',
  sizes: [1, 8, 32],
  shortSizes: [1, 8],
  rounds: { short: 1, full: 3 },
  measures: {
    longest: { title: 'longest stretch', unit: 'ms' },
    parses: { title: 'longest stretch, in JSON.parses of the text', unit: 'count' },
    whole: { title: 'answers that came whole', unit: 'count', better: 'more' },
  },
  isolated: true,
  contestants: [ours, parsePerChunk, parseOnce],
}

module.exports = { scenario }
