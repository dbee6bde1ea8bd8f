import { ConnectionPool } from 'blender-pool'

// One Blender, by default at localhost:9876; at most five connections to it.
await using pool = new ConnectionPool()
pool.on('connectionReady', ({ connectionId, endpoint }) => {
  console.log(`connection ${connectionId} to ${endpoint} is ready`)
})

// One command, one answer; it waits for its turn in the pool.
const { result } = await pool.execute({ type: 'get_scene_info' })
console.log(`the scene has ${result.object_count} objects`)

// Several commands over one connection that nobody else uses; given back at the end of the block.
{
  await using connection = await pool.acquire({ timeoutMs: 5_000 })
  const params = { code: 'import bpy; bpy.ops.mesh.primitive_monkey_add()' }
  const reply = await connection.execute({ type: 'execute_code', params })
  console.log(`the code ${reply.success ? 'ran' : `failed: ${reply.message}`}`)
}

// Whoever has no patience leaves; nobody else notices.
const signal = AbortSignal.timeout(100)
const params = { code: 'import time; time.sleep(1)  # something slow' }
await pool
  .execute({ type: 'execute_code', params }, { signal })
  .catch((error) => console.log(`gave up: ${error.name}`))
