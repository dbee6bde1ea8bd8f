'use strict'

/**
 * A Blender in a process of its own, which looks at its own clock: it answers each command of the
 * `worker` dialect some milliseconds later with the moment at which it did. So a test can tell what
 * went on while its own JavaScript stood still. Run as a child process; it sends its port.
 */

const net = require('node:net')

const [answerAfterMs] = process.argv.slice(2).map(Number)
let connections = 0

const server = net.createServer({ noDelay: true }, (socket) => {
  const connection = ++connections
  let text = ''
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    text += chunk
    const lines = text.split('\n')
    text = lines.pop()
    for (const line of lines) {
      const { id, type } = JSON.parse(line)
      const answer = () => {
        const result = { at: Date.now(), connection }
        socket.write(`${JSON.stringify({ id, status: 'success', result })}\n`)
      }
      if (type === 'ping') answer()
      else setTimeout(answer, answerAfterMs)
    }
  })
})
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
// Whoever started it is gone.
process.on('disconnect', () => process.exit())
