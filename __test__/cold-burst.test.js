'use strict'

// Twenty commands at once with nothing open, against the popular add-on's own habits: a listen backlog
// of 1, one standard output for all, and queued commands forgotten when a file is loaded.

const { expectBalanced } = require('./support/fault')
const { record } = require('./support/figures')
const { narrowListener, newPool } = require('./support/stage')

const CALLERS = 20
/** What a quiet machine takes is 105 to 130 ms; a busy one gets its time, a stalled connect (1 s) does not. */
const LIMIT_MS = 900

const simulated = (...calls) =>
  calls.map(([command, params = {}]) => `# sim: ${JSON.stringify({ command, params })}`).join('\n')

/** Code that prints `text` twice, with time between for a stranger's line to slip in. */
const chatter = (text) =>
  simulated(['print', { text }], ['sleep', { ms: 3 }], ['print', { text: `${text} again` }])

const code = (lines) => ({ type: 'execute_code', params: { code: lines } })

const callers = Array.from({ length: CALLERS }, (_, number) => `caller ${number}`)

describe.each(['blender-mcp', 'auto'])('with the dialect %s', (dialect) => {
  async function stage(options) {
    const listener = await narrowListener()
    return { listener, pool: newPool({ endpoints: listener.address, dialect, ...options }) }
  }

  async function expectNothingLost(listener, pool) {
    expectBalanced(pool)
    await pool.close()
    const { commands, answered, lost } = await listener.stop()
    expect(lost).toBe(0)
    expect(answered).toBe(commands)
  }

  test('all are answered before a single connect could have stalled', async () => {
    const { listener, pool } = await stage()
    const began = performance.now()
    const replies = await Promise.all(
      callers.map((name) => pool.execute(code(simulated(['print', { text: name }])))),
    )
    const tookMs = performance.now() - began
    record(`cold burst of ${CALLERS}, ${dialect}`, tookMs)
    expect(replies.map(({ result }) => result.result)).toEqual(callers.map((name) => `${name}\n`))
    expect(tookMs).toBeLessThan(LIMIT_MS)
    await expectNothingLost(listener, pool)
  })

  test('a second burst and one of holders fare no worse', async () => {
    const { listener, pool } = await stage()
    for (const round of [1, 2]) {
      const began = performance.now()
      const answers = callers.map((name) =>
        pool.use(async (connection) => {
          const reply = await connection.execute(code(simulated(['print', { text: name }])))
          return reply.result.result
        }),
      )
      expect(await Promise.all(answers)).toEqual(callers.map((name) => `${name}\n`))
      const tookMs = performance.now() - began
      record(`burst ${round} of ${CALLERS} holders, ${dialect}`, tookMs)
      expect(tookMs).toBeLessThan(LIMIT_MS)
    }
    await expectNothingLost(listener, pool)
  })

  test('as many holders as there are connections all have theirs before one could have stalled', async () => {
    const { listener, pool } = await stage({ maxConnections: CALLERS })
    const began = performance.now()
    const held = await Promise.all(callers.map(() => pool.acquire()))
    const tookMs = performance.now() - began
    record(`${CALLERS} connections for ${CALLERS} holders, ${dialect}`, tookMs)
    expect(tookMs).toBeLessThan(LIMIT_MS)
    const replies = await Promise.all(
      held.map((connection, at) =>
        connection.execute(code(simulated(['print', { text: callers[at] }]))),
      ),
    )
    expect(replies.map(({ result }) => result.result)).toEqual(callers.map((name) => `${name}\n`))
    await Promise.all(held.map((connection) => connection.release()))
    await expectNothingLost(listener, pool)
  })

  test('no result carries a line of anybody else while connections come and go', async () => {
    const { listener, pool } = await stage()
    const replies = callers.map((name) => pool.execute(code(chatter(name))))
    const comings = Array.from({ length: 8 }, async (_, round) => {
      const connection = await pool.acquire()
      if (round % 2 === 0) await connection.execute(code(chatter(`holder ${round}`)))
      await connection.discard()
    })
    const printed = (await Promise.all(replies)).map(({ result }) => result.result)
    expect(printed).toEqual(callers.map((name) => `${name}\n${name} again\n`))
    await Promise.all(comings)
    await expectNothingLost(listener, pool)
  })

  test('no command is lost when one of them loads a file', async () => {
    const { listener, pool } = await stage()
    const commands = callers.map((name, at) =>
      at === 7 ? { type: 'load_file' } : code(simulated(['print', { text: name }])),
    )
    const replies = await Promise.all(commands.map((command) => pool.execute(command)))
    expect(replies.map(({ status }) => status)).toEqual(callers.map(() => 'success'))
    await expectNothingLost(listener, pool)
  })
})
