'use strict'

const { DIALECTS, command } = require('./support/dialects')
const { newPool, simulator } = require('./support/stage')

test.each(DIALECTS)('the last reply comes before the report of close() (%s)', async (dialect) => {
  const blender = await simulator({ dialect, beatMs: 0 })
  for (let round = 0; round < 10; round++) {
    const pool = newPool({ endpoints: blender.address, dialect })
    const order = []
    const before = blender.stats().answered
    const reply = pool.execute(command(dialect, 'hold')).then(() => order.push('reply'))
    // Not the ping that opens the connection.
    await blender.waitFor(({ commands }) =>
      commands.some(
        ({ state, command: name }) => state === 'running' && /^(hold|execute_code)$/.test(name),
      ),
    )
    const closed = pool.close().then(() => order.push('closed'))
    blender.release()
    await Promise.all([reply, closed])
    expect(order).toEqual(['reply', 'closed'])
    expect(blender.stats().answered).toBeGreaterThan(before)
  }
})
