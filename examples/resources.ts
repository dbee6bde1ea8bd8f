import { once } from 'node:events'
import net from 'node:net'
import { ResourcePool } from 'blender-pool'

await using clients = new ResourcePool({
  create: async (signal) => {
    const socket = net.connect({ port: Number(process.env.PORT), signal })
    await once(socket, 'connect')
    return socket
  },
  validate: (socket) => !socket.destroyed, // the health check
  destroy: (socket) => socket.destroy(), // once for each, whatever happens
  maxConnections: 4,
})

const answer = await clients.use(async ({ resource: socket }) => {
  socket.write('hello\n')
  return String(await once(socket, 'data'))
})
console.log(answer.trim())
