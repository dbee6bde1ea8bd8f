import { getConnectionPool } from 'blender-pool/compat/connection-pool'

const pool = getConnectionPool()

async function run(type: string, params?: Record<string, unknown>) {
  const reply = await pool.execute(type, params)
  if (reply.status === 'error') throw new Error(reply.message ?? 'Unknown error occurred')
  return reply.result
}

const scene = await run('get_scene_info')
console.log(`the scene has ${scene.object_count} objects`)

try {
  await run('no_such_command')
} catch (error) {
  console.log(error instanceof Error ? error.message : error)
}

await pool.shutdown()
