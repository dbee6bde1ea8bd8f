'use strict'

// A failure in the add-on's own words, and what it tells beside them.

const { expectBalanced, faultOf } = require('./support/fault')
const { newPool, simulator } = require('./support/stage')

const UNKNOWN = {
  'blender-mcp-server': { type: 'no.such', tells: { message: 'Unknown command: no.such' } },
  'category-action': {
    type: 'no.such',
    tells: {
      message: 'Unknown action: no.such',
      error: {
        code: 'UNKNOWN_ACTION',
        message: 'Unknown action: no.such',
        suggestion: expect.any(String),
      },
    },
  },
  'blender-ai-mcp': { type: 'no.such', tells: { message: 'Unknown command: no.such' } },
  'blender-mcp-pro': {
    type: 'no_such',
    tells: {
      message: expect.stringMatching(/^Unknown command: 'no_such'/),
      hint: expect.any(String),
      traceback: expect.stringContaining('Traceback'),
    },
  },
  niua: {
    type: 'no.such',
    tells: {
      message: 'unknown command: no.such',
      error: { code: 'unknown_tool', message: 'unknown command: no.such' },
    },
  },
}

test.each(Object.entries(UNKNOWN))('%s says which command it does not know', async (dialect, {
  type,
  tells,
}) => {
  const server = await simulator({ dialect })
  const pool = newPool({ endpoints: server.address, dialect })
  expect(await pool.execute(type)).toEqual({ success: false, status: 'error', ...tells })
  const error = await faultOf(pool.execute(type, { rejectOnError: true }), {
    code: 'ERR_POOL_COMMAND_FAILED',
    details: { reply: { success: false, ...tells } },
  })
  expect(error.message).toContain(type)
  expectBalanced(pool)
})

test('blender-ai-mcp that gave up waiting says so by a code', async () => {
  const dialect = 'blender-ai-mcp'
  const server = await simulator({ dialect })
  const pool = newPool({ endpoints: server.address, dialect })
  await pool.execute('ping')
  const reply = JSON.stringify({
    status: 'error',
    error: "Addon execution timeout after 240.0s for 'render'",
    error_code: 'timeout',
    error_boundary: 'addon_execution',
  })
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32BE(reply.length)
  server.setFaults({ garbage: Buffer.concat([prefix, Buffer.from(reply)]), times: 1 })
  expect(await pool.execute('render')).toEqual({
    success: false,
    status: 'error',
    message: "Addon execution timeout after 240.0s for 'render'",
    error_code: 'timeout',
    error_boundary: 'addon_execution',
  })
})

test('category-action wants a category and an action, and refuses the rest before it is sent', async () => {
  const dialect = 'category-action'
  const server = await simulator({ dialect })
  const pool = newPool({ endpoints: server.address, dialect })
  const { message } = await faultOf(() => pool.execute('execute_code'), {
    code: 'ERR_POOL_INVALID_COMMAND',
    delivered: 'no',
  })
  expect(message).toContain('category.action')
  expect(server.stats().connects).toBe(0)
  expect(await pool.execute('system.get_info')).toMatchObject({
    success: true,
    result: { name: 'Scene' },
  })
})

test.each([
  ['blender-mcp-server', 'python.execute'],
  ['blender-mcp-pro', 'execute_python'],
])('in %s an exception in the code stands in the result of a success', async (dialect, type) => {
  const server = await simulator({ dialect })
  const pool = newPool({ endpoints: server.address, dialect })
  const code = '# sim: {"command":"fail","params":{"message":"no such luck"}}'
  expect(await pool.execute({ type, params: { code } })).toMatchObject({
    success: true,
    result: { error: expect.stringContaining('no such luck') },
  })
})
