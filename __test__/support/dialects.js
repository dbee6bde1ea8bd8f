'use strict'

// How a test says the same thing to every add-on: each has its own name for running code, one has none,
// and one wants every command in a category.

const DIALECTS = [
  'worker',
  'blender-mcp',
  'blender-lab',
  'blender-mcp-server',
  'category-action',
  'blender-ai-mcp',
  'blender-mcp-pro',
  'niua',
]

/** Those that `'auto'` finds: the others put a length before each message. */
const FOUND = DIALECTS.filter((dialect) => !['blender-ai-mcp', 'blender-mcp-pro'].includes(dialect))

/** Those that close the connection after each reply. */
const PER_REQUEST = ['blender-lab', 'blender-mcp-pro', 'niua']

/** Those whose connections stay open between commands. */
const WARM = DIALECTS.filter((dialect) => !PER_REQUEST.includes(dialect))

const RUNS_CODE = {
  worker: 'execute_code',
  'blender-mcp': 'execute_code',
  'blender-lab': 'execute_code',
  'blender-mcp-server': 'python.execute',
  'category-action': 'utility.execute_python',
  'blender-mcp-pro': 'execute_python',
  niua: 'system.execute_python',
}

/** The line of a code string that stands for one of the simulator's commands. */
const simLine = (command, params) => `# sim: ${JSON.stringify({ command, params })}`

/** The add-on's command for running code; where it has none, one that does nothing. */
function code(dialect, text = 'pass') {
  if (!RUNS_CODE[dialect]) return { type: 'echo', params: {} }
  return { type: RUNS_CODE[dialect], params: { code: text } }
}

/** A command of the simulator's, as the add-on would be sent it. */
function command(dialect, name, params = {}) {
  if (dialect === 'blender-lab') return code(dialect, simLine(name, params))
  return { type: dialect === 'category-action' ? `sim.${name}` : name, params }
}

/** The same from inside of running code, for what only happens there; without code, as a command. */
function inCode(dialect, name, params = {}) {
  return RUNS_CODE[dialect] ? code(dialect, simLine(name, params)) : command(dialect, name, params)
}

module.exports = { DIALECTS, FOUND, PER_REQUEST, WARM, code, command, inCode, simLine }
