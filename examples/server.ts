import { once } from 'node:events'
import { createServer } from 'node:http'
import { ConnectionPool } from 'blender-pool'
import {
  installSignalHandlers,
  metricsOf,
  registerPool,
  registerShutdownHandler,
  shutdown,
  startHealthReporter,
} from 'blender-pool/health'

const pool = new ConnectionPool({ name: 'studio' })

// A report every five minutes; nothing that fails in one can end the process.
const intervalMs = Number(process.env.HEALTH_INTERVAL_MS ?? 300_000)
const reporter = startHealthReporter(pool, { intervalMs })
reporter.on('report', ({ health, uptimeMs, memory }) => {
  const { idle, inUse, waiting } = health.stats
  console.log({ status: health.status, uptimeMs, rss: memory.rssBytes, idle, inUse, waiting })
})
reporter.on('unhealthy', ({ health }) => console.error(`unhealthy: ${health.reasons.join(' ')}`))
reporter.on('recovered', ({ unhealthyMs }) => console.log(`well again after ${unhealthyMs} ms`))
reporter.on('failed', ({ error, consecutiveFailures }) => {
  console.error(`the health check failed, ${consecutiveFailures} in a row:`, error)
})

const server = createServer(async (request, response) => {
  try {
    if (request.url === '/metrics') {
      response.setHeader('Content-Type', 'text/plain; version=0.0.4')
      response.end(metricsOf([pool], [reporter]))
    } else if (request.url === '/health') {
      const status = (await reporter.reportNow())?.health.status ?? 'unknown'
      response.statusCode = status === 'healthy' || status === 'degraded' ? 200 : 503
      response.end(status)
    } else {
      const { result } = await pool.execute('get_scene_info', { timeoutMs: 30_000 })
      response.end(JSON.stringify(result))
    }
  } catch (error) {
    response.statusCode = 502
    response.end(String(error))
  }
})

// Closed in the opposite order: first the server, then the pool, on SIGTERM or Ctrl-C.
registerPool(pool, { timeoutMs: 5_000, reporters: [reporter] })
registerShutdownHandler('http', async ({ signal }) => {
  signal.addEventListener('abort', () => server.closeAllConnections())
  server.close()
  await once(server, 'close')
})
shutdown.on('handlerFailed', ({ name, error }) => console.error(`${name} failed to close:`, error))
shutdown.on('handlerTimedOut', ({ name }) => console.error(`${name} took too long to close`))
shutdown.on('finished', ({ reason, durationMs }) => console.log({ reason, durationMs }))
installSignalHandlers()

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1')
await once(server, 'listening')
console.log('listening', server.address())
