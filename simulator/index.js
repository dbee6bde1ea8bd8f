'use strict'

/**
 * A Blender that is none: speaks each add-on's dialect, behaves as the add-ons do, traps included,
 * and fails on demand. For tests, and for the demo where there is no Blender. See README.md here.
 */

const { bigText } = require('./commands')
const { startNarrowListener } = require('./narrow')
const { settledOptions } = require('./options')
const { Simulator } = require('./server')

/**
 * @param {import('./index').SimulatorOptions} [options]
 * @returns {Promise<import('./index').Simulator>}
 */
async function startSimulator(options) {
  const simulator = new Simulator(settledOptions(options))
  await simulator.startListening()
  return simulator
}

module.exports = { bigText, startNarrowListener, startSimulator }
