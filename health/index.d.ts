/**
 * What a server does around its pools: it reports on their health, shows their metrics, and ends in order.
 *
 * Times are milliseconds and end in `Ms`; sizes are bytes and end in `Bytes`; points in time (`at`) are
 * milliseconds since the epoch. An option that is unknown or out of range throws `ERR_POOL_INVALID_OPTION`.
 */
import { EventEmitter } from 'node:events'

/** The least that a health report says. A pool's own says more. */
export interface Verdict {
  status: 'healthy' | 'degraded' | 'unhealthy'
  reasons: string[]
}

/** What can be reported on: a pool, or anything that stands in for one. */
export interface HealthSource<Health extends Verdict = Verdict> {
  readonly name?: string | undefined
  /** A reporter stops by itself once this is `'closed'`. */
  readonly state?: string | undefined
  checkHealth(): Promise<Health>
}

/** The process in a report. */
export interface ProcessFigures {
  uptimeMs: number
  memory: {
    rssBytes: number
    heapUsedBytes: number
    heapTotalBytes: number
    externalBytes: number
  }
}

/** One round of a reporter. */
export interface Round extends ProcessFigures {
  /** The pool's name. */
  pool: string
  /** From 1. */
  round: number
  /** When the check began. */
  at: number
  durationMs: number
}

/** A round that found something out, be it good or bad. */
export interface ServerReport<Health extends Verdict = Verdict> extends Round {
  /** As the pool's `checkHealth()` gave it in this round. */
  health: Health
}

/** A round that found nothing out: `checkHealth()` threw, rejected or took too long. */
export interface FailedRound extends Round {
  error: unknown
  /** Failed rounds up to now: `health_check.failures`. */
  failures: number
  /** Of these, the last ones in a row. */
  consecutiveFailures: number
}

export interface HealthReporterEvents<Health extends Verdict = Verdict> {
  /** Every round that found something out. */
  report: [ServerReport<Health>]
  /** The first report of `'unhealthy'` after one that was not. */
  unhealthy: [ServerReport<Health>]
  /** The first report after that which is no longer `'unhealthy'`; it may still be `'degraded'`. */
  recovered: [ServerReport<Health> & { unhealthyMs: number }]
  failed: [FailedRound]
}

export interface HealthReporterOptions<Health extends Verdict = Verdict> {
  /** From the beginning of one round to the next. Default: 300 000, five minutes. */
  intervalMs?: number | undefined
  /** A check that takes longer has failed; what it says later is not told. Default: 60 000. */
  timeoutMs?: number | undefined
  /** Whether the first round comes at once. Default: true. */
  immediate?: boolean | undefined
  /** Whether the reporter keeps the process alive. Default: false. */
  ref?: boolean | undefined
  /** A listener of `'report'`. */
  onReport?: ((report: ServerReport<Health>) => void) | undefined
  /** Aborting stops the reporter. */
  signal?: AbortSignal | undefined
}

/** A reporter's own figures. */
export interface HealthReporterStats {
  /** Rounds begun. */
  rounds: number
  reports: number
  /** Rounds that failed: `health_check.failures`. */
  failures: number
  consecutiveFailures: number
  /** Rounds left out because the one before was still under way. */
  skipped: number
  /** What the last report said; null before the first. */
  status: Verdict['status'] | null
  lastReportAt: number | null
}

/**
 * Reports on a pool's health, again and again, with figures of that moment. One round at a time. Nothing
 * that fails in a round or in a listener ends the process or the rounds.
 */
export class HealthReporter<Health extends Verdict = Verdict> extends EventEmitter<
  HealthReporterEvents<Health>
> {
  constructor(pool: HealthSource<Health>, options?: HealthReporterOptions<Health>)
  /** The pool's name. */
  readonly name: string
  /** Whether rounds will come. */
  readonly running: boolean
  /** The last report; null before the first. */
  readonly last: ServerReport<Health> | null
  /** Begins. A second time changes nothing, and a reporter that was stopped stays so. */
  start(): this
  /** Ends it, for good; as often as you like. What a round under way finds is not told. */
  stop(): void
  /**
   * A report of this moment; while a round is under way, that one's. Never rejects: null means that the
   * check failed (`'failed'` says why) or that the reporter was stopped.
   */
  reportNow(): Promise<ServerReport<Health> | null>
  stats(): HealthReporterStats
}

/** A new reporter, started. */
export function startHealthReporter<Health extends Verdict>(
  pool: HealthSource<Health>,
  options?: HealthReporterOptions<Health>,
): HealthReporter<Health>

/** What has metrics: a pool, or anything that stands in for one. */
export interface MeasuredPool {
  readonly name: string
  stats(): object
}

/**
 * Several pools as one text for Prometheus (`text/plain; version=0.0.4`), and what their reporters found.
 * @param reporters at the most one for each pool
 * @throws `ERR_POOL_INVALID_OPTION` when two pools have the same name, or where there is no list
 */
export function metricsOf(
  pools: Iterable<MeasuredPool>,
  reporters?: Iterable<HealthReporter<Verdict>>,
): string

/** What a shutdown handler is given. */
export interface ShutdownContext {
  /** Aborts when the handler's time, or the whole shutdown's, is over. */
  signal: AbortSignal
  /** What `run` was given: a signal's name, or the program's own word. */
  reason: string
}

export interface ShutdownHandlerOptions {
  /** How long the others wait for it. Default: 5 000. */
  deadlineMs?: number | undefined
  /** -1 000 to 1 000, lower ones first; equal ones last registered first. Default: 0. */
  order?: number | undefined
}

/** What became of one handler. */
export type HandlerReport = { name: string; durationMs: number } & (
  | { status: 'done'; value: unknown }
  | { status: 'failed'; error: unknown }
  | { status: 'timeout' }
)

export interface ShutdownReport {
  reason: string
  /** Whether every handler was done in time. */
  ok: boolean
  durationMs: number
  /** In the order in which they ran. */
  handlers: HandlerReport[]
}

export interface ShutdownEvents {
  started: [{ reason: string }]
  handlerDone: [HandlerReport & { status: 'done' }]
  handlerFailed: [HandlerReport & { status: 'failed' }]
  handlerTimedOut: [HandlerReport & { status: 'timeout' }]
  finished: [ShutdownReport]
}

/** What can be closed: a pool, or anything that stands in for one. */
export interface ClosablePool {
  readonly name?: string | undefined
  close(options: { timeoutMs?: number; force?: boolean }): Promise<unknown>
}

export interface RegisterPoolOptions {
  /** In the report. Default: the pool's name. */
  name?: string | undefined
  /** How long held connections and running commands may finish. Default: 5 000. */
  timeoutMs?: number | undefined
  /** As a handler's. */
  order?: number | undefined
  /** Stopped before the pool is closed. */
  reporters?: ReadonlyArray<{ stop(): void }> | undefined
}

export interface SignalHandlersOptions {
  /** Default: `['SIGINT', 'SIGTERM']`. */
  signals?: readonly NodeJS.Signals[] | undefined
  /**
   * Whether the process is ended after the shutdown: with `process.exitCode` (else 0) when every handler was
   * done in time, with 1 otherwise, with 128 + the signal's number when the signal came again. With false the
   * program ends by itself, and a signal that comes again does what it does without listeners. Default: true.
   */
  exit?: boolean | undefined
  /** A signal that comes so soon after the first is the same one: npm may pass on what came anyway. Default: 500. */
  repeatMs?: number | undefined
}

/**
 * What has to be closed before the process ends. Handlers run one after another, the last registered
 * first; one that throws, rejects or hangs is reported, and the next one has its turn.
 */
export class ShutdownRegistry extends EventEmitter<ShutdownEvents> {
  /** @param options `deadlineMs`: for all handlers together. Default: 10 000. */
  constructor(options?: { deadlineMs?: number | undefined })
  /**
   * @returns takes the handler back
   * @throws `ERR_POOL_CLOSED` when the shutdown is over
   */
  register(
    name: string,
    run: (context: ShutdownContext) => unknown,
    options?: ShutdownHandlerOptions,
  ): () => void
  /** Closes a pool in its turn, and stops its reporters. */
  registerPool(pool: ClosablePool, options?: RegisterPoolOptions): () => void
  /** Runs every handler, once; every call gives the same promise, which never rejects. */
  run(reason?: string): Promise<ShutdownReport>
  /**
   * Lets signals begin the shutdown.
   * @returns takes the listeners away, as the end of the shutdown does
   */
  installSignalHandlers(options?: SignalHandlersOptions): () => void
}

/** The process's own registry. The functions below are its methods. */
export const shutdown: ShutdownRegistry
export const registerShutdownHandler: ShutdownRegistry['register']
export const registerPool: ShutdownRegistry['registerPool']
export const installSignalHandlers: ShutdownRegistry['installSignalHandlers']
