// The start: tools over stdio at once, whether or not Blender runs.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { shutdown } from 'blender-pool/health'
import { Blender } from './blender.js'
import { endInOrder } from './lifetime.js'
import { log } from './log.js'
import { refusalOf, settingsFrom } from './settings.js'
import { registerTools } from './tools.js'
import { watch } from './watch.js'

const instructions = `\
Tools that drive Blender. It runs one command at a time; calls wait for their turn. When a call fails, its
answer says whether Blender may have run it: look at the scene before you repeat one that may have run.`

try {
  const blender = new Blender(settingsFrom(process.env))
  const server = new McpServer({ name: 'blender', version: '1.0.0' }, { instructions })
  registerTools(server, blender)
  endInOrder(blender.pool, [watch(blender.pool)])
  // A message that is too long closes the connection, and nothing else would end the process then.
  server.server.onclose = () => void shutdown.run('connection closed')
  server.server.onerror = (error) => log(error.message)
  await server.connect(new StdioServerTransport())
  log(`ready for ${blender.names.join(', ')}`)
} catch (error) {
  log(refusalOf(error))
  process.exit(1)
}
