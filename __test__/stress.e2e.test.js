'use strict'

// The stress tool against a real Blender, in both framings: it finds nothing wrong, and leaves the scene as it was.

const { startBlender, telling, told } = require('./support/blender')
const { afterwards, newPool } = require('./support/stage')
const { commandLine } = require('./support/stress-command')

const SCENE = `[
  sorted(item.name for item in bpy.data.objects), len(bpy.data.meshes), len(bpy.data.texts),
  len(bpy.data.materials), len(bpy.data.scenes), bpy.data.is_dirty]`

const { command } = commandLine()

// Other tests may keep the machine busy.
jest.setTimeout(90_000)

test.each(['worker', 'blender-mcp'])('a Blender that speaks %s', async (dialect) => {
  const blender = await startBlender({ dialect })
  afterwards(() => blender.stop())
  const address = `${blender.host}:${blender.port}`
  const pool = newPool({ endpoints: address })
  const before = told(await pool.execute(telling(SCENE)))

  const small = ['--operations', '100', '--callers', '40', '--duration', '1', '--no-report']
  const ran = await command(['stress', '--endpoint', address, ...small, '--json'])
  const { exitCode, endpoint, scenarios } = JSON.parse(ran.stdout)
  expect(endpoint).toMatchObject({ kind: 'given', dialect, marks: 'code' })
  // How long things take is the machine's affair here, and everything else the pool's.
  const wrong = scenarios.flatMap(({ name, verdict: { reasons } }) =>
    reasons
      .filter(({ about, level }) => level !== 'good' && about !== 'own' && about !== 'late')
      .map((reason) => [name, reason]),
  )
  expect(wrong).toEqual([])
  expect(ran.code).toBe(exitCode)
  expect(scenarios).toHaveLength(11)
  const asked = scenarios.map(
    ({ checks }) => checks.find(({ name }) => name === 'ownReply').checked,
  )
  expect(asked.filter((times) => times > 0)).toHaveLength(9)

  expect(told(await pool.execute(telling(SCENE)))).toEqual(before)
})
