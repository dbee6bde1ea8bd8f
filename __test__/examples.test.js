'use strict'

// The example of the README is TypeScript as it stands there: it must compile, run, and say what it promises.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { join } = require('node:path')
const { text } = require('node:stream/consumers')
const { compiled, typeErrors } = require('./support/example')
const { simulator } = require('./support/stage')

const ROOT = join(__dirname, '..')

async function run(script, env) {
  const args = ['--input-type=module', '-e', script]
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env } })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}

test('quick-start.ts has the right types', () => {
  expect(typeErrors('quick-start.ts')).toBe('')
})

test('quick-start.ts runs and says what it does', async () => {
  const blender = await simulator()
  const { host, port } = blender
  // The simulator does not run Python: a fault stands for what is slow.
  blender.setFaults({
    match: ({ params }) => params?.code?.includes('slow') === true,
    delayMs: 1_000,
  })
  const env = { BLENDER_HOST: host, BLENDER_PORT: `${port}` }
  const { code, stdout, stderr } = await run(compiled('quick-start.ts'), env)
  expect(stderr).toBe('')
  expect(stdout.trim().split('\n')).toEqual([
    `connection 1 to ${host}:${port} is ready`,
    'the scene has 3 objects',
    'the code ran',
    'gave up: TimeoutError',
  ])
  expect(code).toBe(0)
  expect(blender.stats().open).toBe(0)
})
