/** A pool's figures as OpenTelemetry metrics, as the semantic conventions name them. */
import type { Attributes, MeterProvider } from '@opentelemetry/api'

/** What can be measured: a pool, or anything that stands in for one. */
export interface InstrumentedPool {
  /** Becomes `db.client.connection.pool.name`; should be unique in the process. */
  readonly name: string
  stats(): object
  // biome-ignore lint/suspicious/noExplicitAny: each event has a payload of its own
  on(event: any, listener: (payload: any) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: each event has a payload of its own
  off(event: any, listener: (payload: any) => void): unknown
}

export interface InstrumentOptions {
  /** Default: the one that the application registered with `@opentelemetry/api`. */
  meterProvider?: MeterProvider | undefined
  /** Stand with every figure, beside the pool's name. */
  attributes?: Attributes | undefined
}

/**
 * Measures a pool from now on. Call it after the application's own provider is registered.
 * @returns stops it. An SDK may go on exporting the last figures it has: close the pool and let it collect
 *   once more before you stop, and they are those of a closed pool.
 * @throws when neither `meterProvider` is given nor `@opentelemetry/api` installed
 */
export function instrument(pool: InstrumentedPool, options?: InstrumentOptions): () => void
