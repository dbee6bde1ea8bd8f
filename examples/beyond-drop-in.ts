import { ConnectionPool, PoolError } from 'blender-pool'

const pool = new ConnectionPool()

async function run(type: string, params?: Record<string, unknown>, signal?: AbortSignal) {
  // One deadline over all of it, an abort that is felt at once, and Blender's own errors as errors.
  const options = { timeoutMs: 60_000, rejectOnError: true, signal }
  const { result } = await pool.execute({ type, params }, options)
  return result
}

const scene = await run('get_scene_info')
console.log(`the scene has ${scene.object_count} objects`)

try {
  await run('no_such_command')
} catch (error) {
  if (!(error instanceof PoolError)) throw error
  console.log(`${error.code}, may it have run: ${error.delivered}`)
}

await pool.close()
