'use strict'
// Does the addon load on this machine and carry one command there and back? Needs no Blender and no
// development dependency, so it also runs where only the binary was brought: see the workflows.

const assert = require('node:assert')
const net = require('node:net')
const { ConnectionPool } = require('..')

async function main() {
  const server = net.createServer((socket) => {
    socket.setEncoding('utf8')
    let text = ''
    socket.on('data', (chunk) => {
      const lines = (text + chunk).split('\n')
      text = lines.pop()
      for (const line of lines) {
        const { id, params } = JSON.parse(line)
        socket.write(`${JSON.stringify({ id, status: 'success', result: params })}\n`)
      }
    })
    socket.on('error', () => {})
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

  const pool = new ConnectionPool({
    endpoints: `127.0.0.1:${server.address().port}`,
    dialect: 'worker',
  })
  const reply = await pool.execute({ type: 'echo', params: { said: 'hé 🐒' } })
  assert.deepStrictEqual({ ...reply.result }, { said: 'hé 🐒' })
  await pool.close()
  server.close()
  console.log(`loaded and answered on ${process.platform} ${process.arch}, Node ${process.version}`)
}

main()
