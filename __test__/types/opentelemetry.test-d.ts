// What the types of blender-pool/opentelemetry promise, checked by the compiler alone: never run.

import { MeterProvider } from '@opentelemetry/sdk-metrics'
import type { ConnectionPool } from '../../index.js'
import { instrument } from '../../opentelemetry/index.js'

declare const pool: ConnectionPool

export const stop: () => void = instrument(pool)
instrument(pool, { meterProvider: new MeterProvider(), attributes: { 'service.name': 'farm' } })
// @ts-expect-error a provider, not a meter
instrument(pool, { meterProvider: new MeterProvider().getMeter('own') })
// @ts-expect-error an unknown option
instrument(pool, { name: 'studio' })
// @ts-expect-error not a pool
instrument({ name: 'studio' })
