'use strict'

// The example of a Limiter in the README compiles, runs, and leaves nothing open; the words of its page are its own.

const { once } = require('node:events')
const http = require('node:http')
const { runModule } = require('./support/child')
const { compiled, typeErrors } = require('./support/example')
const { afterwards } = require('./support/stage')

test('limiter.ts has the right types', () => {
  expect(typeErrors('limiter.ts')).toBe('')
})

test('limiter.ts asks once for what two callers want', async () => {
  const asked = []
  const server = http.createServer((request, response) => {
    asked.push(request.url)
    response.end(`a texture of ${request.url.slice(1)}`)
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  afterwards(() => server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  const script = compiled('limiter.ts').replace('process.env.TEXTURES', `'${url}'`)
  expect(script).toContain(`\${'${url}'}`)
  expect(await runModule(script)).toMatchObject({
    code: 0,
    stderr: '',
    stdout: [
      'a texture of oak, a texture of brick, a texture of oak, a texture of moss, a texture of brick',
      '3 requests for 5 callers\n',
    ].join('\n'),
  })
  expect(asked.sort()).toEqual(['/brick', '/moss', '/oak'])
})
