// @ts-check
'use strict'
// The processor time of the thread that runs JavaScript, which `process.cpuUsage()` adds up with all other threads'.
// Where nothing tells it (Node before 23.9 outside Linux), the time in which the event loop was not waiting.

const fs = require('node:fs')
const { performance } = require('node:perf_hooks')

/** What the scheduler counts for the main thread: nanoseconds on a processor first. */
const SCHEDSTAT = `/proc/self/task/${process.pid}/schedstat`

/** @type {() => NodeJS.CpuUsage} */
const usage = /** @type {any} */ (process).threadCpuUsage

/** @returns {number} ms since some moment */
function viaNode() {
  const { user, system } = usage.call(process)
  return (user + system) / 1e3
}

function viaScheduler() {
  return Number(fs.readFileSync(SCHEDSTAT, 'latin1').split(' ', 1)[0]) / 1e6
}

function viaEventLoop() {
  return performance.eventLoopUtilization().active
}

function choose() {
  if (typeof usage === 'function') return viaNode
  return fs.existsSync(SCHEDSTAT) ? viaScheduler : viaEventLoop
}

const threadMs = choose()

module.exports = { threadMs }
