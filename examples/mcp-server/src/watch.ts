// What is worth a line in the server's log, from the pool's events and the health reports.
import type { ConnectionPool } from 'blender-pool'
import { startHealthReporter } from 'blender-pool/health'
import { log } from './log.js'

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`

export function watch(pool: ConnectionPool) {
  pool.on('connectionReady', ({ endpoint, dialect }) => log(`connected to ${endpoint}: ${dialect}`))
  pool.on('endpointDown', ({ endpoint, error }) => log(`${endpoint} is down: ${error.message}`))
  pool.on('endpointUp', ({ endpoint, downMs }) =>
    log(`${endpoint} is up again, ${seconds(downMs)}`),
  )
  pool.on('commandAborted', ({ delivered }) => log(`a call was cancelled; delivered: ${delivered}`))
  pool.on('alert', ({ severity, message }) => {
    // The others only tell that calls wait for each other, as they do while Blender renders.
    if (severity === 'critical') log(message)
  })

  // Every five minutes, with figures of that moment.
  const reporter = startHealthReporter(pool)
  reporter.on('unhealthy', ({ health }) => log(`unhealthy: ${health.reasons.join(' ')}`))
  reporter.on('recovered', ({ unhealthyMs }) => log(`well again after ${seconds(unhealthyMs)}`))
  reporter.on('failed', ({ error }) => log(`the health check failed: ${error}`))
  return reporter
}
