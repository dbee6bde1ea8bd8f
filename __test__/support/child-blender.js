'use strict'

/** A Blender that lives on while this process stands still: `clocked-blender.js`, started and stopped. */

const { fork } = require('node:child_process')
const { once } = require('node:events')
const { join } = require('node:path')

/** @param {number} answerAfterMs */
async function startChildBlender(answerAfterMs) {
  const child = fork(join(__dirname, 'clocked-blender.js'), [String(answerAfterMs)], {
    // What jest gives its workers is of no use there.
    execArgv: [],
  })
  const exited = once(child, 'exit')
  const [port] = await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => Promise.reject(new Error(`the child ended with code ${code}`))),
  ])
  return {
    address: `127.0.0.1:${port}`,
    dialect: 'worker',
    async stop() {
      child.kill()
      await exited
    },
  }
}

module.exports = { startChildBlender }
