// What the types of Limiter promise, checked by the compiler alone: this file is never run.

import {
  Limiter,
  type LimiterCloseReport,
  type LimiterStats,
  type RunOptions,
} from '../../index.js'

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function expect<T extends true>(): T

const limiter = new Limiter({ maxConcurrent: 4 })
new Limiter({ maxConcurrent: 1, requestsPerSecond: 10, requestsPerMinute: 0, maxWaiting: null })
new Limiter({ maxConcurrent: 1, queueTimeoutMs: 5, maxCached: 0, maxWaiting: 3, name: 'api' })

// @ts-expect-error how many at the same time must be said
new Limiter({ requestsPerSecond: 10 })
// @ts-expect-error options must be given
new Limiter()
// @ts-expect-error an option of a pool
new Limiter({ maxConcurrent: 1, maxConnections: 3 })

export async function runs(signal: AbortSignal) {
  const number = await limiter.run(() => 5)
  expect<Equal<typeof number, number>>()
  const text = await limiter.run(async () => 'five')
  expect<Equal<typeof text, string>>()
  const page = await limiter.run((own) => fetch('http://127.0.0.1', { signal: own }), { signal })
  expect<Equal<typeof page, Response>>()

  const options: RunOptions = { key: 7, priority: -3, timeoutMs: 1, cacheTtlMs: 0, signal }
  await limiter.run(() => {}, options)
  // @ts-expect-error there is no such option
  await limiter.run(() => {}, { timeout: 1 })
  // @ts-expect-error the work is a function
  await limiter.run(Promise.resolve(5))

  const stats = limiter.stats()
  expect<Equal<typeof stats, LimiterStats>>()
  const left: number | null = stats.rate.remainingPerSecond
  limiter.clear()
  limiter.clear('a new scene')
  const report: LimiterCloseReport = await limiter.close({ timeoutMs: 5 })
  await limiter.close({ force: true })
  await using other = new Limiter({ maxConcurrent: 1 })
  return [left, report, other.state, other.name]
}
