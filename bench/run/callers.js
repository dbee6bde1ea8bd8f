// @ts-check
'use strict'
// So many callers, each sending one command after the other to a server that echoes them; every answer is checked.

/** @typedef {import('../peers/command-pool').CommandPool} CommandPool */

/**
 * @param {Pick<CommandPool, 'execute'>} pool
 * @param {number} callers
 * @param {number} count of commands
 * @param {string} text goes with each
 */
async function callersAtWork(pool, callers, count, text) {
  let begun = 0
  const oneCaller = async () => {
    while (begun < count) {
      const number = begun++
      const { result } = await pool.execute({ type: 'echo', params: { number, text } })
      if (result.number !== number || result.text !== text) {
        throw new Error(`Command ${number} was answered with ${JSON.stringify(result)}.`)
      }
    }
  }
  await Promise.all(Array.from({ length: callers }, oneCaller))
}

module.exports = { callersAtWork }
