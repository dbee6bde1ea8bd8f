// What the types of blender-pool/health promise, checked by the compiler alone: this file is never run.

import {
  HealthReporter,
  installSignalHandlers,
  metricsOf,
  registerPool,
  registerShutdownHandler,
  type ServerReport,
  ShutdownRegistry,
  type ShutdownReport,
  shutdown,
  startHealthReporter,
  type Verdict,
} from '../../health/index.js'
import type { ConnectionPool } from '../../index.js'

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function expect<T extends true>(): T

interface OwnReport extends Verdict {
  load: number
}
declare const source: { name: string; checkHealth(): Promise<OwnReport> }
declare const pool: ConnectionPool

export async function reporting(signal: AbortSignal) {
  const reporter = startHealthReporter(source, { intervalMs: 1_000, signal })
  expect<Equal<typeof reporter, HealthReporter<OwnReport>>>()
  // What the source's report says beyond a verdict is there to be read.
  reporter.on('report', ({ health, memory }) => health.load + memory.rssBytes)
  reporter.on('recovered', ({ unhealthyMs, health }) => unhealthyMs + health.load)
  reporter.on('failed', ({ error, consecutiveFailures }) => {
    expect<Equal<typeof error, unknown>>()
    return consecutiveFailures
  })
  const report = await reporter.reportNow()
  expect<Equal<typeof report, ServerReport<OwnReport> | null>>()
  // @ts-expect-error a round may have failed
  report.health
  // @ts-expect-error never emitted
  reporter.on('error', () => {})
  // @ts-expect-error times end in Ms
  new HealthReporter(source, { interval: 5 })
  // @ts-expect-error no health
  startHealthReporter({ name: 'nothing' })
  return reporter.stats().failures
}

export async function ending() {
  registerPool(pool, { timeoutMs: 1_000, reporters: [startHealthReporter(source)] })
  const takeBack = registerShutdownHandler('http', async ({ signal, reason }) => {
    signal.throwIfAborted()
    return reason.length
  })
  takeBack()
  installSignalHandlers({ signals: ['SIGTERM'], exit: false })()
  // @ts-expect-error not a signal
  installSignalHandlers({ signals: ['TERM'] })
  // @ts-expect-error a handler is a function
  registerShutdownHandler('http', 'close')
  const own = new ShutdownRegistry({ deadlineMs: 5_000 })
  own.on('handlerFailed', ({ name, error }) => [name, error])
  const report = await shutdown.run('SIGTERM')
  expect<Equal<typeof report, ShutdownReport>>()
  return report.handlers.map((handler) =>
    handler.status === 'failed' ? handler.error : handler.durationMs,
  )
}

export function metrics() {
  const reporter = startHealthReporter(source)
  expect<Equal<ReturnType<typeof metricsOf>, string>>()
  // @ts-expect-error a list of pools
  metricsOf(pool)
  return metricsOf([pool], [reporter])
}
