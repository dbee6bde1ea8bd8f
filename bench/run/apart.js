// @ts-check
'use strict'
// A contestant in a process of its own: nobody else's objects in its heap, nobody else's calls in what the compiler
// learns of its code, and its processor time is its own. The process stays for all rounds.

const { fork } = require('node:child_process')
const { once } = require('node:events')
const { inspect } = require('node:util')
const { collect } = require('./rubbish')

/** @typedef {import('../scenarios').Scenario} Scenario */
/** @typedef {import('../scenarios').Contestant} Contestant */
/** @typedef {import('../scenarios').Context} Context */

/**
 * @param {Scenario} scenario
 * @param {Contestant} contestant
 * @param {number} size
 * @param {Context} context
 * @returns {Promise<import('../scenarios').Stand>}
 */
async function standApart(scenario, contestant, size, context) {
  const child = fork(__filename, { serialization: 'advanced', execArgv: [] })
  const gone = once(child, 'exit')
  /** @param {object} message */
  const ask = async (message) => {
    child.send(message)
    const [answer] = await Promise.race([
      once(child, 'message'),
      gone.then(([code, signal]) => {
        const end = code === null ? signal : `code ${code}`
        throw new Error(`its process ended with ${end}`)
      }),
    ])
    if (answer.error !== undefined) throw Object.assign(new Error(), answer.error)
    return answer.measured
  }
  const close = async () => {
    if (child.connected) child.disconnect()
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await gone
    clearTimeout(late)
  }
  try {
    await ask({ make: { number: scenario.number, name: contestant.name, size, context } })
  } catch (error) {
    await close()
    throw error
  }
  return { round: (round) => ask({ round }), close }
}

/** @param {{ number: number, name: string, size: number, context: Context }} who */
async function make({ number, name, size, context }) {
  const { scenarioOf } = require('../scenarios')
  const contestant = scenarioOf(number).contestants.find((one) => one.name === name)
  if (contestant === undefined) throw new RangeError(`Nobody is called ${name}.`)
  return await contestant.make(size, context)
}

/** The child's side: makes its contestant, and runs a round whenever it is asked. */
function serve() {
  /** @type {Promise<import('../scenarios').Stand> | undefined} */
  let stand
  process.on('message', async (/** @type {any} */ message) => {
    try {
      stand ??= make(message.make)
      const ready = await stand
      collect()
      const measured = message.make === undefined ? await ready.round(message.round) : null
      process.send?.({ measured })
    } catch (error) {
      const { message } = error instanceof Error ? error : new Error(String(error))
      process.send?.({ error: { message, stack: inspect(error) } })
    }
  })
  process.once('disconnect', async () => {
    await stand?.then((ready) => ready.close?.()).catch(() => {})
    process.exit()
  })
}

module.exports = { standApart }

if (require.main === module) serve()
