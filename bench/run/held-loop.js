// @ts-check
'use strict'
// What some work does to the event loop: for how long it kept it from waiting, in all and at a stretch.

const { monitorEventLoopDelay, performance } = require('node:perf_hooks')
const { setTimeout: after } = require('node:timers/promises')

/** A timer is due so often; what it is late by is the stretch. */
const EVERY_MS = 1

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<{ outcome: T, activeMs: number, longestMs: number }>}
 */
async function heldLoop(work) {
  const delays = monitorEventLoopDelay({ resolution: EVERY_MS })
  delays.enable()
  // It measures from one time it runs to the next: a stretch before the first would not be seen.
  await after(2 * EVERY_MS)
  const before = performance.eventLoopUtilization()
  const outcome = await work()
  const { active } = performance.eventLoopUtilization(before)
  // The timer that the last stretch made late comes after whoever waited for the work.
  await after(2 * EVERY_MS)
  delays.disable()
  const late = Math.max(0, delays.max / 1e6 - EVERY_MS)
  // A timer is also late when the whole process had to wait for a processor.
  return { outcome, activeMs: active, longestMs: Math.min(late, active) }
}

module.exports = { heldLoop }
