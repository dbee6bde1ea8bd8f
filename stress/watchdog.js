// @ts-check
'use strict'
// Waits for a scenario, but not for ever: after an interruption its commands are cut, and without progress it is left
// behind. Calls that only run out of time, or reach nobody, are no progress.

/** So many looks without progress; of looks, for a machine that slept has made none. */
const LOOKS = 10

/**
 * @typedef {object} Ending how a scenario ended that did not come to its own end
 * @property {'stuck' | 'brokeOff'} how
 * @property {boolean} still `stuck`: nothing ended at all, not even by running out of time
 * @property {string} text
 */

/**
 * @param {Promise<void>} running
 * @param {object} around
 * @param {import('./recorder').Recorder} around.recorder
 * @param {import('..').ConnectionPool} around.pool
 * @param {AbortSignal} around.signal
 * @param {number} around.stuckMs
 * @returns {Promise<Ending | null>} null: it came to its end, or was interrupted
 */
async function untilDone(running, { recorder, pool, signal, stuckMs }) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  const cut = () => void pool.close({ force: true }).catch(() => {})
  signal.addEventListener('abort', cut)
  if (signal.aborted) cut()
  /** @type {Promise<Ending>} */
  const stuck = new Promise((resolve) => {
    let seen = { progress: recorder.progress, done: recorder.done }
    let looks = 0
    timer = setInterval(() => {
      looks++
      if (recorder.progress !== seen.progress) {
        seen = { progress: recorder.progress, done: recorder.done }
        looks = 0
      }
      if (looks < LOOKS) return
      const text = `No progress for ${stuckMs / 1000} s`
      resolve({ how: 'stuck', still: recorder.done === seen.done, text })
    }, stuckMs / LOOKS)
  })
  try {
    return await Promise.race([running.then(() => null), stuck])
  } catch (error) {
    if (signal.aborted) return null
    const text = `It broke off: ${error instanceof Error ? error.message : error}.`
    return { how: 'brokeOff', still: false, text }
  } finally {
    clearInterval(timer)
    signal.removeEventListener('abort', cut)
  }
}

module.exports = { untilDone }
