'use strict'

/**
 * What goes wrong on purpose: a caller that changes its mind, one whose time runs out, and an event
 * loop that stands still. Nobody else may notice.
 */

const { setTimeout: pause } = require('node:timers/promises')
const { deliveredOf } = require('..')
const { asCommand, busy, glance, printed } = require('./sculpture.js')

const BUSY_MS = 1200
const ABORT_AFTER_MS = 300
const DEADLINE_MS = 600
const BLOCK_MS = 500
const OTHERS = 24

/** @typedef {Parameters<typeof import('./callers').runCallers>[0]} Work */

/**
 * One caller aborts while its command runs in Blender, another has a deadline that it cannot meet.
 * @param {Work} work
 * @param {import('./screen').Screen} screen
 */
async function giveUp(work, screen) {
  const { pool, blender, ledger } = work
  const controller = new AbortController()
  const slow = asCommand(blender.dialect, busy(BUSY_MS))
  const { signal } = controller
  const aborted = ledger.command(() => {
    const call = pool.execute(slow, { signal })
    return call.catch((error) => {
      screen.note(
        `one caller aborted ("${error}"), and had its rejection at once: delivered ${deliveredOf(call)}`,
      )
      throw error
    })
  })
  const look = asCommand(blender.dialect, glance('in a hurry'))
  const late = ledger.command(() =>
    pool.execute(look, { timeoutMs: DEADLINE_MS }).catch((error) => {
      screen.note(
        `one ran out of time after ${DEADLINE_MS} ms: ${error.code}, delivered ${error.delivered}`,
      )
      throw error
    }),
  )
  const others = glances(work, 'patient', screen)
  const abort = pause(ABORT_AFTER_MS).then(() => controller.abort('changed my mind'))
  const [first, second] = await Promise.allSettled([aborted, late, abort])
  await others
  if (first.reason !== 'changed my mind') throw first.reason ?? new Error('the abort came too late')
  // A Blender that is quick enough meets even that deadline.
  if (second.status === 'rejected' && second.reason.delivered === undefined) throw second.reason
  screen.note(`the ${OTHERS} others behind them all had their own answers`)
}

/**
 * The event loop stands still while commands wait: the pool, in Rust, goes on.
 * @param {Work} work
 * @param {import('./screen').Screen} screen
 */
async function blockLoop(work, screen) {
  const others = glances(work, 'blocked', screen, 2 * OTHERS)
  const { commands } = work.pool.stats()
  const until = performance.now() + BLOCK_MS
  while (performance.now() < until);
  const meanwhile = work.pool.stats().commands - commands
  await others
  screen.note(
    `JavaScript stood still for ${BLOCK_MS} ms; meanwhile the pool sent ${meanwhile} more commands by itself`,
  )
}

/** @param {Work} work */
async function glances({ pool, blender, ledger }, who, screen, count = OTHERS) {
  screen.expect(count)
  const calls = Array.from({ length: count }, async (_, index) => {
    const mark = `${who} ${index + 1}`
    const command = asCommand(blender.dialect, glance(mark))
    const reply = await ledger.command(() => pool.execute(command, { rejectOnError: true }))
    if (JSON.parse(printed(reply)).mark !== mark) ledger.wrong += 1
    screen.step()
  })
  const results = await Promise.allSettled(calls)
  const failed = results.find(({ status }) => status === 'rejected')
  if (failed) throw failed.reason
}

module.exports = { blockLoop, giveUp }
