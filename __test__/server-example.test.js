'use strict'

// The server of docs/server.md as it stands there: it must compile, serve, report and end in order.

const { compiled, typeErrors } = require('./support/example')
const { parse } = require('./support/exposition-parser')
const { liveChild } = require('./support/live-child')
const { closedPort, simulator } = require('./support/stage')

test('server.ts has the right types', () => {
  expect(typeErrors('server.ts')).toBe('')
})

async function startServer(port) {
  const env = { BLENDER_HOST: '127.0.0.1', BLENDER_PORT: `${port}`, PORT: '0' }
  const child = liveChild(compiled('server.ts'), { module: true, env })
  const [, own] = /port: (\d+)/.exec(await child.said(/^listening/))
  return { child, get: (path) => fetch(`http://127.0.0.1:${own}${path}`) }
}

test('server.ts serves, shows its health and its metrics, and ends in order', async () => {
  const blender = await simulator()
  const { child, get } = await startServer(blender.port)
  expect(await (await get('/')).json()).toMatchObject({ object_count: 3 })
  const health = await get('/health')
  expect([health.status, await health.text()]).toEqual([200, 'healthy'])
  const metrics = parse(await (await get('/metrics')).text())
  expect(metrics.get('blender_pool_commands_total').samples[0].value).toBe(1)
  child.kill('SIGTERM')
  const { code, stderr, lines } = await child.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(lines.at(-1)).toMatch(/^{ reason: 'SIGTERM', durationMs: /)
  await blender.waitFor(({ open }) => open === 0)
})

test('server.ts goes on without a Blender, and says so', async () => {
  const { child, get } = await startServer(await closedPort())
  const answer = await get('/')
  expect(answer.status).toBe(502)
  expect(await answer.text()).toContain('ERR_POOL_')
  expect((await get('/health')).status).toBe(503)
  child.kill('SIGINT')
  expect(await child.ended).toMatchObject({ code: 0 })
})
