'use strict'

/** The callers: each holds one connection for its turn, and checks that every answer is its own. */

const { setTimeout: pause } = require('node:timers/promises')
const { asCommand, glance, piece, printed, steps } = require('./sculpture.js')

const GLANCES = 3
/** What goes on between two commands of a caller: somebody reads the first answer. */
const PAUSE_MS = 40

/**
 * All at once, each with its turn of three commands: build a piece of the scene, or only look around.
 * @param {object} work
 * @param {import('..').ConnectionPool} work.pool
 * @param {import('./blender').Blender} work.blender
 * @param {import('./ledger').Ledger} work.ledger
 * @param {number} work.callers
 * @param {boolean} work.build
 * @param {import('./screen').Screen} screen
 */
async function runCallers({ pool, blender, ledger, callers, build }, screen) {
  const turns = Array.from({ length: callers }, (_, index) =>
    build ? building(piece(index, callers)) : glancing(index),
  )
  screen.expect(turns.reduce((sum, turn) => sum + turn.length, 0))
  const all = turns.map(async (turn, index) => {
    ledger.asked.push(index)
    const asked = performance.now()
    await pool.use(async (connection) => {
      ledger.waitMs.push(performance.now() - asked)
      ledger.served.push(index)
      for (const { name, code, isOwn } of turn) {
        screen.doing(connection.id, `caller ${index + 1} ${name}`)
        const command = asCommand(blender.dialect, code)
        const run = () => connection.execute(command, { rejectOnError: true })
        if (!isOwn(printed(await ledger.command(run)))) ledger.wrong += 1
        screen.step()
        await pause(PAUSE_MS)
      }
      screen.doing(connection.id, '')
    })
  })
  const results = await Promise.allSettled(all)
  const failed = results.find(({ status }) => status === 'rejected')
  if (failed) throw failed.reason
}

function building(made) {
  const sameName = (text) => text === made.name
  const samePlace = (text) => {
    const { name, location } = JSON.parse(text)
    return name === made.name && location.every((value, axis) => value === made.location[axis])
  }
  return steps(made).map(([name, code]) => ({
    name,
    code,
    isOwn: name === 'look' ? samePlace : sameName,
  }))
}

function glancing(index) {
  return Array.from({ length: GLANCES }, (_, round) => {
    const mark = `caller ${index + 1}, look ${round + 1}`
    return { name: 'looks', code: glance(mark), isOwn: (text) => JSON.parse(text).mark === mark }
  })
}

module.exports = { runCallers }
