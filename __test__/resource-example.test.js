'use strict'

// The example of a ResourcePool in the README compiles, runs, and leaves nothing open.

const { runModule } = require('./support/child')
const { compiled, typeErrors } = require('./support/example')
const { rawServer } = require('./support/stage')

test('resources.ts has the right types', () => {
  expect(typeErrors('resources.ts')).toBe('')
})

test('resources.ts runs against a real server', async () => {
  const server = await rawServer((socket) => {
    socket.on('data', (line) => socket.write(`you said ${line}`))
  })
  const script = compiled('resources.ts').replace('process.env.PORT', `${server.port}`)
  expect(await runModule(script)).toMatchObject({ code: 0, stderr: '', stdout: 'you said hello\n' })
  expect(server.connects).toBe(1)
})
