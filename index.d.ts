/**
 * blender-pool: a connection pool for Blender.
 *
 * Times are milliseconds and end in `Ms`; sizes are bytes and end in `Bytes`; points in time
 * (`createdAt`, `lastUsedAt`) are milliseconds since the epoch, as `Date.now()` gives them.
 */
import { EventEmitter } from 'node:events'

/** Parsed JSON of whatever shape, as `JSON.parse` gives it. */
// biome-ignore lint/suspicious/noExplicitAny: its shape is the add-on's own affair
export type Json = any

/** The add-on protocols the pool speaks. */
export type DialectName =
  | 'blender-mcp'
  | 'worker'
  | 'blender-lab'
  | 'blender-mcp-server'
  | 'category-action'
  | 'blender-ai-mcp'
  | 'blender-mcp-pro'
  | 'niua'

/** May the command have run? `no`: not one byte of it was written. `yes`: Blender answered it. */
export type Delivered = 'no' | 'maybe' | 'yes'

/** `closing` and `closed` come from `close()`; there is no way back. */
export type PoolState = 'paused' | 'ready' | 'closing' | 'closed'

/**
 * One Blender. Give `address`, or `host` and `port`, or `path`; without a dialect of its own it has
 * the pool's.
 */
export interface EndpointOptions {
  /** What calls, events and statistics name it by. Default: its address. */
  name?: string | undefined
  /** `host:port`, `tcp://host:port` or `unix:/path`. */
  address?: string | undefined
  /** Name or address. `localhost` tries IPv4 and IPv6. Default, with a port: `localhost`. */
  host?: string | undefined
  /** 1 to 65535. Default: the dialect's own. */
  port?: number | undefined
  /** The path of a Unix socket. */
  path?: string | undefined
  dialect?: 'auto' | DialectName | undefined
  /** So many connections are kept open here: 0 to 1 024. Default: 0. */
  minConnections?: number | undefined
  /** At most so many of the pool's connections go here; at least 1. */
  maxConnections?: number | undefined
}

/** Every option may be left out; `null` where it stands means "the dialect's own". */
export interface PoolOptions {
  /** The pool's name in log lines and warnings. Default: `pool-1`, `pool-2` and so on. */
  name?: string | null | undefined
  /** Where Blender listens. Default: `BLENDER_HOST` and `BLENDER_PORT`, else `localhost:9876`. */
  endpoints?: string | EndpointOptions | ReadonlyArray<string | EndpointOptions> | null | undefined
  /** What the add-on speaks. Default: `'auto'`, which asks it. */
  dialect?: 'auto' | DialectName | undefined
  /** Connections kept open over all endpoints, opened in the background. Default: 0. */
  minConnections?: number | undefined
  /** Connections of the whole pool. Default: 5. */
  maxConnections?: number | undefined
  /** Connects in flight to one endpoint. Default: 2, or the dialect's own. */
  maxConnecting?: number | null | undefined
  /** Commands running on one Blender at a time. Default: the dialect's own. */
  maxInFlightPerEndpoint?: number | null | undefined
  /** Whether a connection has to answer a ping before it is used. Default: the dialect's own. */
  pingOnConnect?: boolean | null | undefined
  /** Calls that may wait; one more is refused with `ERR_POOL_QUEUE_FULL`. Default: any number. */
  maxWaiting?: number | null | undefined
  /** Waiting for a connection, including opening one. Default: 30 000. */
  acquireTimeoutMs?: number | undefined
  /** One attempt to connect. Default: 5 000. */
  connectTimeoutMs?: number | undefined
  /**
   * How long a call puts up with failing attempts to connect before the last failure becomes its error;
   * 0: the first one does. Default: 3 000.
   */
  connectRetryMs?: number | undefined
  /** From writing a command to its whole reply. Default: 180 000. */
  commandTimeoutMs?: number | undefined
  /** How long a connection whose command was cut short may finish its reply. Default: 5 000. */
  drainTimeoutMs?: number | undefined
  /** A connection that nobody used for so long is closed, never below `minConnections`; 0: never. Default: 60 000. */
  idleTimeoutMs?: number | undefined
  /**
   * A connection older than this, less a random 0 to 10 %, is replaced; never while it is held; 0: never.
   * Default: 1 800 000.
   */
  maxLifetimeMs?: number | undefined
  /** A connection is closed after so many uses. Default: 1 000. */
  maxUses?: number | undefined
  /** A larger command is refused at the call. Default: 64 MiB, or the dialect's own. */
  maxRequestBytes?: number | null | undefined
  /** A larger reply cuts the connection. Default: 64 MiB, or the dialect's own. */
  maxReplyBytes?: number | null | undefined
  /** The first wait between failed connects to one endpoint; it doubles, with full jitter. Default: 100. */
  retryBackoffMs?: number | undefined
  /** The longest such wait. Default: 30 000. */
  maxRetryBackoffMs?: number | undefined
  /** How often idle connections are pinged; 0: never. Default: 30 000. */
  healthCheckIntervalMs?: number | undefined
  /** How long a ping may take. Default: 5 000. */
  healthCheckTimeoutMs?: number | undefined
  /** A connection is closed after so many failed pings in a row. Default: 3. */
  healthCheckFailures?: number | undefined
  /** Pings at the same time. Default: 32. */
  healthCheckConcurrency?: number | undefined
  /** How often what is too old, too few or stuck is looked for; 0: never. Default: 1 000. */
  maintenanceIntervalMs?: number | undefined
  /** How long a hook or the function of `recycle` may take before its connection is closed. Default: 10 000. */
  hookTimeoutMs?: number | undefined
  /** Runs on every new connection before anybody gets it. One that fails closes the connection. */
  onConnect?: Hook | null | undefined
  /** Runs on every connection that was given back, before anybody else gets it. One that fails closes it. */
  onRelease?: Hook | null | undefined
  /** A connection held longer is reported, with the stack of its `acquire`; 0: off. Default: 0. */
  leakThresholdMs?: number | undefined
  /**
   * Whether an `alert` tells when every connection is held by the work of a `use` and each waits for one
   * more of the same pool. A call that runs out of time in that rejects with `ERR_POOL_DEADLOCK` in place
   * of `ERR_POOL_ACQUIRE_TIMEOUT`. What a plain `acquire` holds is not followed. Default: true.
   */
  detectNestedAcquire?: boolean | undefined
  /** Which idle connection is used next: the one used last, or the one used longest ago. Default: `'lifo'`. */
  idleOrder?: 'lifo' | 'fifo' | undefined
  /** Whether the pool works at once or waits for `ready()`. Default: `'ready'`. */
  start?: 'ready' | 'paused' | undefined
  /**
   * The wait that is acceptable at all times: when every call has waited longer for `queueIntervalMs`, calls
   * are dropped with `ERR_POOL_QUEUE_FULL`; 0: off. Default: 0.
   */
  queueTargetMs?: number | undefined
  /** For how long calls may wait longer than `queueTargetMs`. Default: 100. */
  queueIntervalMs?: number | undefined
  /** `alert` (info) when so many calls wait; 0: never. Default: 10. */
  alertQueueDepth?: number | undefined
  /** `alert` (warning) when a call waited so long for its connection; 0: never. Default: 1 000. */
  alertWaitMs?: number | undefined
  /** `alert` (warning) when so many percent of the connections are in use; 0: never. Default: 90. */
  alertUsePercent?: number | undefined
  /** `alert` (critical) when so many health checks running have failed at one endpoint; 0: never. Default: 3. */
  alertFailedChecks?: number | undefined
  /** `alert` (critical) when a call has been waiting for so long; 0: never. Default: 30 000. */
  alertOldestWaitMs?: number | undefined
  /**
   * Whether an endpoint may be something else than loopback or a Unix socket. Default: false, for the
   * add-ons' protocols run code without asking who sends it.
   */
  allowRemote?: boolean | undefined
}

/**
 * Code that runs while a connection is out of the pool. The connection is lent: it is not released, and it
 * is dead when the hook has ended. Throwing, rejecting or taking longer than `hookTimeoutMs` closes it.
 */
export type Hook = (connection: PooledConnection) => unknown

/** What to run: the add-on's name for it, and its parameters as plain JSON. */
export interface Command {
  type: string
  params?: object | null | undefined
}

/**
 * A command's answer, the same from every dialect; `success` tells which of the two it is. What else a dialect
 * tells (`stdout`, `error.code`, `hint`) stands beside it.
 */
export type Reply<Result = Json> = SuccessReply<Result> | ErrorReply<Result>

/** The add-on ran the command without an error of its own. */
export interface SuccessReply<Result = Json> {
  success: true
  status: 'success'
  /** What the command gives, in the caller's own words: the pool does not check it. Of one that gives nothing, undefined. */
  result: Result
  message?: string
  [extra: string]: unknown
}

/** The add-on answered with an error of its own. */
export interface ErrorReply<Result = Json> {
  success: false
  status: 'error'
  /** What it gave all the same; most give nothing. */
  result?: Result
  /** The add-on's words, where it has any. */
  message?: string
  [extra: string]: unknown
}

/** How a call chooses its connection, and its place among those who wait. */
export interface QueueOptions {
  /** Higher ones go first: -100 to 100. Default: 0. */
  priority?: number | undefined
  /** The name of the endpoint to use. Default: any. */
  endpoint?: string | undefined
  /**
   * A key: calls with the same one go to the same endpoint while it is healthy. A string of 1 to 512
   * characters or a safe integer, which is the same as its digits. Not together with `endpoint`.
   */
  affinity?: string | number | undefined
}

/** Options of `acquire` and `use`. */
export interface AcquireOptions extends QueueOptions {
  /** Aborting rejects the call at once with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** One deadline over waiting, connecting and the reply: 1 to 2 147 483 647. */
  timeoutMs?: number | undefined
}

/** Options of a command on a held connection. */
export interface HeldExecuteOptions {
  /** Aborting rejects the call at once with `signal.reason`; `deliveredOf` tells whether the command may have run. */
  signal?: AbortSignal | undefined
  /** One deadline over waiting, connecting and the reply: 1 to 2 147 483 647. */
  timeoutMs?: number | undefined
  /** Whether an add-on's own error rejects with `ERR_POOL_COMMAND_FAILED`. Default: false, it resolves. */
  rejectOnError?: boolean | undefined
  /**
   * Resolve to the bytes of the whole reply document as the add-on sent it, without its framing, instead
   * of a parsed `Reply`. Not together with `rejectOnError`. Default: false.
   */
  raw?: boolean | undefined
}

/** Options of `ConnectionPool.execute`. */
export interface ExecuteOptions extends HeldExecuteOptions, QueueOptions {}

/** Options of `ConnectionPool.clear`. */
export interface ClearOptions {
  /** Only what is open there; the pool is not paused. Default: everything. */
  endpoint?: string | undefined
  /** Whether held connections are cut at once, instead of closed when they are given back. Default: false. */
  interruptInUse?: boolean | undefined
}

/** What `ConnectionPool.resize` changes; what is left out stays. */
export interface PoolSize {
  minConnections?: number | undefined
  maxConnections?: number | undefined
}

/** Options of `close`, of every pool and of a `Limiter`. */
export interface CloseOptions {
  /**
   * How long held connections and running commands may finish: 0 to 2 147 483 647. Default: `drainTimeoutMs`, of a
   * `Limiter` 5 000.
   */
  timeoutMs?: number | undefined
  /** Cut them at once. Given to a later call, it cuts short a close that is under way. Default: false. */
  force?: boolean | undefined
}

/** How a pool was closed. */
export interface CloseReport {
  /** Calls that were still waiting, and were failed with `ERR_POOL_CLOSED`. */
  failedWaiters: number
  /** Connections that had not finished by the deadline. */
  cut: number
  durationMs: number
}

/** Why a connection was closed. */
export type CloseReason =
  | 'stale'
  | 'idle'
  | 'error'
  | 'poolClosed'
  | 'lifetime'
  | 'uses'
  | 'unhealthy'
  | 'discarded'

/** Why a call got no connection. `aborted`: by its caller. */
export type CheckOutFailure = 'poolClosed' | 'timeout' | 'connectionError' | 'aborted' | 'queueFull'

/** Connections by state, and the calls that wait. */
export interface Gauges {
  /** Connections in any state. */
  total: number
  idle: number
  inUse: number
  connecting: number
  /** Finishing a reply nobody waits for, or closing; they keep their slot. */
  unusable: number
  waiting: number
}

/** Milliseconds of what happened lately, and how often it ever did. */
export interface Percentiles {
  count: number
  p50: number
  p95: number
  p99: number
  max: number
}

/** Figures of a pool or of one of its Blenders. Those from `acquired` on only ever grow. */
export interface Figures extends Gauges {
  min: number
  max: number
  acquired: number
  released: number
  created: number
  connectFailures: number
  timeouts: number
  aborted: number
  /** Callers' commands; never the pool's own pings. */
  commands: number
  /** Those of them that failed, or that the add-on answered with an error. */
  commandErrors: number
  healthChecks: number
  healthCheckFailures: number
  /** Calls refused because all had waited longer than `queueTargetMs`. */
  dropped: number
  /** Leases held longer than `leakThresholdMs`. */
  leaks: number
  /** Leases whose connection was garbage collected without having been given back. */
  reclaimed: number
  hookFailures: number
  /** Connections closed because bytes came that nobody had asked for. */
  desyncs: number
  /** Always 0; anything else is a defect of this package. */
  raceDetected: number
  closed: Record<CloseReason, number>
  /** How long calls waited for their connection. Waits within one turn of the event loop share that turn’s time. */
  waitMs: Percentiles
  /** How long connections were out. Holds within one turn of the event loop share that turn’s time. */
  useMs: Percentiles
  connectMs: Percentiles
  commandMs: Percentiles
}

/** A Blender in `PoolStats`. */
export interface EndpointStats extends Figures {
  name: string
  /** null: not known yet. */
  dialect: DialectName | null
  /** `probing`: it was down, and one connect tries whether it is there again. */
  state: 'unknown' | 'up' | 'down' | 'probing'
  /** Commands running there. */
  inFlight: number
  /** Failed connects in a row. */
  failures: number
  /** When the next connect is tried; null: whenever one is needed. */
  retryInMs: number | null
  lastError: string | null
  /** Of its last pings; null: none yet. */
  latencyMs: number | null
  /** How often it was cleared. */
  generation: number
}

/** A pool's figures at one moment. */
export interface PoolStats extends Figures {
  endpoints: EndpointStats[]
}

/** One connection, and where its slot stands. */
export interface ConnectionInfo {
  id: number
  slot: number
  state: 'created' | 'initializing' | 'idle' | 'inUse' | 'unusable' | 'closed'
  endpoint: string
  /** null: not known yet. */
  dialect: DialectName | null
  /** How often the slot was claimed. */
  generation: number
  createdAt: number
  lastUsedAt: number
  useCount: number
  /** Failed pings in a row. */
  healthFailures: number
  /** 0 (sick) to 1. */
  healthScore: number
  /** Of its last ping; null: none yet. */
  latencyMs: number | null
}

/** A Blender as the pool sees it now. */
export interface EndpointInfo extends EndpointStats {
  address: string
}

/** How well something is. */
export type Health = 'healthy' | 'degraded' | 'unhealthy'

/** A Blender in a `HealthReport`. */
export interface EndpointHealth {
  name: string
  status: Health
  reasons: string[]
  latencyMs: number | null
  /** Connections that were asked, those of them that did not answer, and those in use, which were not asked. */
  checked: number
  failed: number
  busy: number
}

/** A connection in a `HealthReport`. */
export interface ConnectionHealth {
  id: number
  endpoint: string
  /** null: it is in use, and was not asked. */
  ok: boolean | null
  latencyMs: number | null
  error?: PoolError
}

/** What `checkHealth` found, just now. */
export interface HealthReport {
  status: Health
  /** Why it is not better, in sentences. */
  reasons: string[]
  checkedAt: number
  durationMs: number
  state: PoolState
  endpoints: EndpointHealth[]
  connections: ConnectionHealth[]
  stats: PoolStats
}

/** The codes a `PoolError` can have; the README tells what to do about each. */
export type PoolErrorCode =
  | 'ERR_POOL_INVALID_OPTION'
  | 'ERR_POOL_INVALID_COMMAND'
  | 'ERR_POOL_CLOSED'
  | 'ERR_POOL_CLEARED'
  | 'ERR_POOL_ACQUIRE_TIMEOUT'
  | 'ERR_POOL_QUEUE_FULL'
  | 'ERR_POOL_CONNECT'
  | 'ERR_POOL_ENDPOINT_DOWN'
  | 'ERR_POOL_CONNECTION_LOST'
  | 'ERR_POOL_COMMAND_TIMEOUT'
  | 'ERR_POOL_COMMAND_FAILED'
  | 'ERR_POOL_PROTOCOL'
  | 'ERR_POOL_REPLY_TOO_LARGE'
  | 'ERR_POOL_DEADLOCK'
  | 'ERR_POOL_NOT_HELD'

/** The error below a `PoolError`: most often the operating system's own. */
export interface PoolErrorCause extends Error {
  code?: string
  errno?: number
  syscall?: string
  address?: string
  port?: number
}

/** What a `PoolError` is made of; what is left out is the code's own. */
export interface PoolFault {
  code: PoolErrorCode
  message: string
  advice?: string | undefined
  delivered?: Delivered | undefined
  retryable?: boolean | undefined
  endpoint?: string | undefined
  connectionId?: number | undefined
  details?: Record<string, unknown> | undefined
  cause?: unknown
}

/**
 * Every error of the pool. Match on `code`, never on the message; where a call is awaited, the
 * stack names the line that awaits it.
 */
export class PoolError extends Error {
  /** For tests and for code that stands in for a pool. */
  constructor(fault: PoolFault)
  readonly name: 'PoolError'
  readonly code: PoolErrorCode
  /** What to do next, in a sentence. */
  readonly advice: string
  /** May the command have run? */
  readonly delivered: Delivered
  /** Whether the same call may succeed later, and cannot run twice: never true of one that may have run. */
  readonly retryable: boolean
  /** The Blender concerned, by name. */
  readonly endpoint?: string
  readonly connectionId?: number
  /** More for programs: the option and its range, the add-on's reply, what was received. */
  readonly details?: Readonly<Record<string, Json>>
  /** The pool's figures at that moment; undefined where no pool is concerned. */
  readonly stats: PoolStats | undefined
  readonly cause?: PoolErrorCause
}

/**
 * A connection with one holder. It comes from a pool and goes back to it: by `release()`, by
 * `discard()`, or at the end of the block with `await using`.
 */
export class PooledConnection {
  private constructor()
  /** From 1, in the order of creation. */
  readonly id: number
  /** The name of its endpoint. */
  readonly endpoint: string
  readonly dialect: DialectName
  /** Whether it is still held through this object. */
  readonly inUse: boolean
  /** When it was opened: milliseconds since the epoch. */
  readonly createdAt: number
  /** How often it had been used when it was acquired. */
  readonly useCount: number

  /**
   * Runs a command over this connection's socket; commands of one holder run one after another.
   * Rejects as `ConnectionPool.execute` does, and with `ERR_POOL_NOT_HELD` after it was given back.
   */
  execute(command: string | Command, options: HeldExecuteOptions & { raw: true }): Promise<Buffer>
  execute<Result = Json>(
    command: string | Command,
    options: HeldExecuteOptions & { raw?: false | undefined; rejectOnError: true },
  ): Promise<SuccessReply<Result>>
  execute<Result = Json>(
    command: string | Command,
    options?: HeldExecuteOptions & { raw?: false | undefined },
  ): Promise<Reply<Result>>
  execute(command: string | Command, options?: HeldExecuteOptions): Promise<Reply | Buffer>

  /** Gives it back. A second time rejects with `ERR_POOL_NOT_HELD` and harms nobody. */
  release(): Promise<void>

  /**
   * Gives it back to be closed, and never used again.
   * @param reason stands in the log
   */
  discard(reason?: string): Promise<void>

  /** `release()`, without complaint where it was given back already. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Where an event tells of a connection. */
export interface ConnectionEvent {
  connectionId: number
  endpoint: string
}

/** Where an event tells of a lease that is held too long or was lost. */
export interface LeakEvent extends ConnectionEvent {
  heldMs: number
  /** The lines of the stack of its `acquire`, with `leakThresholdMs` above 0. */
  stack?: string
}

/** A figure that is where it should not be. */
export interface Alert {
  severity: 'info' | 'warning' | 'critical'
  metric:
    | 'queueDepth'
    | 'waitMs'
    | 'usePercent'
    | 'failedChecks'
    | 'oldestWaitMs'
    | 'stuckSlot'
    | 'nestedAcquire'
    | 'lateResource'
  value: number
  threshold: number
  message: string
  endpoint?: string
}

/** The events and what each listener is given. `'error'` is never among them. */
export interface PoolEvents {
  /** On the turn after the constructor and before any other, with the options that are not the default. */
  poolCreated: [{ options: PoolOptions }]
  /** From now on connections are given out. */
  poolReady: [Record<string, never>]
  /** What was open is not used any more; without `endpoint`, the pool is paused too. */
  poolCleared: [{ endpoint?: string; interruptInUse: boolean }]
  /** The last one. */
  poolClosed: [Record<string, never>]
  /** A slot is reserved, and connecting begins. */
  connectionCreated: [ConnectionEvent]
  /** It is fit for use; `durationMs` since it was created. */
  connectionReady: [ConnectionEvent & { dialect: DialectName; durationMs: number }]
  connectionClosed: [ConnectionEvent & { reason: CloseReason; error?: PoolError }]
  /** A call asks for a connection, to hold it or for one command. Exactly one of the next two follows. */
  connectionCheckOutStarted: [{ endpoint?: string }]
  /** It got none; `error` is a `PoolError`, or the reason of its caller's abort. */
  connectionCheckOutFailed: [
    { reason: CheckOutFailure; durationMs: number; error: unknown; endpoint?: string },
  ]
  /** It got one; `durationMs` since it asked. */
  connectionCheckedOut: [ConnectionEvent & { durationMs: number }]
  /** The connection is back, or lost; `durationMs` since it was checked out. */
  connectionCheckedIn: [ConnectionEvent & { durationMs: number }]
  healthCheckSucceeded: [ConnectionEvent & { durationMs: number }]
  healthCheckFailed: [ConnectionEvent & { error: PoolError; consecutiveFailures: number }]
  /** Nothing can be opened there, and nothing is open. */
  endpointDown: [{ endpoint: string; error: PoolError; failures: number }]
  /** It answers again. */
  endpointUp: [{ endpoint: string; downMs: number }]
  /** A connection is held longer than `leakThresholdMs`. */
  leakDetected: [LeakEvent]
  /** And was given back after all. */
  leakReturned: [LeakEvent]
  /** A held connection was garbage collected, and is back in the pool. */
  leaseLost: [LeakEvent]
  /** A hook failed or took too long; its connection is closed. */
  hookFailed: [ConnectionEvent & { hook: 'onConnect' | 'onRelease' | 'recycle'; error: PoolError }]
  /** A caller aborted a command that was waiting or running. */
  commandAborted: [{ type: string; delivered: Delivered; reason: unknown }]
  /** Bytes came that nobody had asked for; the connection is closed. */
  desync: [ConnectionEvent & { error: PoolError }]
  alert: [Alert]
}

/**
 * A pool of connections to one or several Blenders.
 *
 * A listener that throws, or whose promise rejects, breaks nothing: it surfaces once as a process
 * warning.
 */
export class ConnectionPool extends EventEmitter<PoolEvents> {
  /**
   * Checks the options; no I/O is done.
   * @throws {PoolError} `ERR_POOL_INVALID_OPTION`
   */
  constructor(options?: PoolOptions)

  readonly name: string
  readonly state: PoolState

  /**
   * Runs one command on any connection. An add-on's own error resolves with `success: false`.
   *
   * Rejects with `signal.reason` when aborted, else with a `PoolError`: `ERR_POOL_INVALID_COMMAND`,
   * `ERR_POOL_INVALID_OPTION`, `ERR_POOL_CLOSED`, `ERR_POOL_CLEARED`, `ERR_POOL_QUEUE_FULL`,
   * `ERR_POOL_ACQUIRE_TIMEOUT`, `ERR_POOL_DEADLOCK`,
   * `ERR_POOL_CONNECT`, `ERR_POOL_ENDPOINT_DOWN`, `ERR_POOL_CONNECTION_LOST`, `ERR_POOL_COMMAND_TIMEOUT`,
   * `ERR_POOL_PROTOCOL`, `ERR_POOL_REPLY_TOO_LARGE`, and `ERR_POOL_COMMAND_FAILED` with `rejectOnError`.
   * The pool sends a command again only if not one byte of it was written.
   *
   * @example
   * const reply = await pool.execute<{ object_count: number }>('get_scene_info')
   * if (reply.success) console.log(reply.result.object_count)
   */
  execute(command: string | Command, options: ExecuteOptions & { raw: true }): Promise<Buffer>
  execute<Result = Json>(
    command: string | Command,
    options: ExecuteOptions & { raw?: false | undefined; rejectOnError: true },
  ): Promise<SuccessReply<Result>>
  execute<Result = Json>(
    command: string | Command,
    options?: ExecuteOptions & { raw?: false | undefined },
  ): Promise<Reply<Result>>
  execute(command: string | Command, options?: ExecuteOptions): Promise<Reply | Buffer>

  /**
   * Takes a connection for one holder; first come, first served, within a priority. Prefer `use`: it
   * cannot forget to give the connection back, and only in its work does `detectNestedAcquire` see who
   * waits for whom.
   *
   * Rejects with `signal.reason` when aborted, else with a `PoolError`: `ERR_POOL_INVALID_OPTION`,
   * `ERR_POOL_CLOSED`, `ERR_POOL_CLEARED`, `ERR_POOL_QUEUE_FULL`, `ERR_POOL_ACQUIRE_TIMEOUT`,
   * `ERR_POOL_DEADLOCK`, `ERR_POOL_CONNECT`, `ERR_POOL_ENDPOINT_DOWN`, `ERR_POOL_PROTOCOL`.
   */
  acquire(options?: AcquireOptions): Promise<PooledConnection>

  /**
   * An idle connection at once, or null. Opens none and never goes before those who wait.
   * @throws {PoolError} `ERR_POOL_CLOSED`, `ERR_POOL_CLEARED`, `ERR_POOL_INVALID_OPTION`
   */
  tryAcquire(options?: Pick<QueueOptions, 'endpoint' | 'affinity'>): PooledConnection | null

  /** Gives a connection back; the same as its own `release()`. Rejects with `ERR_POOL_NOT_HELD`. */
  release(connection: PooledConnection): Promise<void>

  /** Acquires, runs `work`, and gives the connection back whatever comes of it. Rejects as `acquire` and `work` do. */
  use<T>(
    work: (connection: PooledConnection) => T | PromiseLike<T>,
    options?: AcquireOptions,
  ): Promise<T>

  /**
   * Gives connections out, after `pause()`, `clear()` or `start: 'paused'`.
   * @throws {PoolError} `ERR_POOL_CLOSED`
   */
  ready(): void

  /**
   * Gives out no connection until `ready()`: who waits, and who asks meanwhile, is refused at once with
   * `ERR_POOL_CLEARED`. Who holds a connection keeps it.
   * @throws {PoolError} `ERR_POOL_CLOSED`
   */
  pause(): void

  /**
   * Uses nothing any more that is open now: idle connections close, held ones when they are given back.
   * Without `endpoint` the pool is paused as well, until `ready()`.
   * @throws {PoolError} `ERR_POOL_CLOSED`, `ERR_POOL_INVALID_OPTION`
   */
  clear(options?: ClearOptions): void

  /** Resolves when `minConnections` are open; rejects with what keeps them from being opened. */
  warm(): Promise<void>

  /** Pings what is idle, all at the same time, and tells how everything is. Never rejects. */
  checkHealth(): Promise<HealthReport>

  /**
   * Changes how many connections there are. Held ones are never cut for it.
   * @throws {PoolError} `ERR_POOL_CLOSED`, `ERR_POOL_INVALID_OPTION`
   */
  resize(size: PoolSize): void

  /**
   * Gives a held connection back by way of `work`, which may log in again or reset what it likes; nobody
   * else gets it meanwhile. `work` is lent a connection of its own; the one given here is released.
   *
   * Resolves with what `work` gives, when the connection is idle again. Rejects with what `work` throws
   * (then the connection is closed), and with `ERR_POOL_NOT_HELD`.
   */
  recycle<T>(
    connection: PooledConnection,
    work: (connection: PooledConnection) => T | PromiseLike<T>,
  ): Promise<T>

  /** The pool's figures now. */
  stats(): PoolStats

  /** Every connection and its state now. */
  connections(): ConnectionInfo[]

  /** Every Blender and its state now. */
  endpoints(): EndpointInfo[]

  /** The pool's figures now, for Prometheus: `text/plain; version=0.0.4`. */
  metrics(): string

  /** Lets the open pool hold the process even while it is idle, as a new pool does. */
  ref(): this

  /** Lets the process end while the pool is idle. A pending call holds it always. */
  unref(): this

  /**
   * Closes the pool. Calls that wait fail at once; held connections and running commands may finish
   * until the deadline and are cut then. Further calls give the same promise.
   */
  close(options?: CloseOptions): Promise<CloseReport>

  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Options of a `ResourcePool`: those of a `ConnectionPool` that do not concern Blender, and three functions. */
export interface ResourcePoolOptions<T>
  extends Omit<
    PoolOptions,
    | 'endpoints'
    | 'dialect'
    | 'maxInFlightPerEndpoint'
    | 'pingOnConnect'
    | 'commandTimeoutMs'
    | 'maxRequestBytes'
    | 'maxReplyBytes'
    | 'onConnect'
    | 'onRelease'
    | 'allowRemote'
  > {
  /**
   * Makes a resource, within `connectTimeoutMs`. The signal aborts when that is over or nobody wants it any
   * more, with a `PoolError` that says why; what comes after that is destroyed at once.
   */
  create: (signal: AbortSignal) => T | PromiseLike<T>
  /**
   * The health check of an idle resource, in the background and before it is lent after a while or after a
   * failure (see `validateAfterIdleMs`). `false`, a throw or a rejection has it destroyed.
   */
  validate?: ((resource: T) => unknown) | null | undefined
  /**
   * A resource that was idle for longer, or in whose hands the work of `use()` failed, is validated before the
   * next holder gets it. 0: before every holder. Default 500.
   */
  validateAfterIdleMs?: number | undefined
  /** Takes it apart; called once for whatever `create` gave. Its slot is free when that is done, or after `drainTimeoutMs`. */
  destroy?: ((resource: T) => unknown) | null | undefined
  /** Runs on every new resource before anybody gets it. One that fails has it destroyed. */
  onConnect?: ResourceHook<T> | null | undefined
  /** Runs on every resource that was given back, before anybody else gets it. One that fails has it destroyed. */
  onRelease?: ResourceHook<T> | null | undefined
}

/** As `Hook`: the resource is lent, and taken back when the hook has ended. */
export type ResourceHook<T> = (lease: PooledResource<T>) => unknown

/** Options of a `ResourcePool`'s `acquire` and `use`. */
export type ResourceAcquireOptions = Omit<AcquireOptions, 'endpoint' | 'affinity'>

/** One resource, and where its slot stands. */
export type ResourceInfo = Omit<ConnectionInfo, 'endpoint' | 'dialect'>

/**
 * A resource with one holder. It comes from a pool and goes back to it: by `release()`, by `discard()`, or
 * at the end of the block with `await using`.
 */
export class PooledResource<T = unknown> {
  private constructor()
  /** From 1, in the order of creation. */
  readonly id: number
  /**
   * What `create` made.
   * @throws {PoolError} `ERR_POOL_NOT_HELD` after it was given back, `ERR_POOL_CONNECTION_LOST` after the pool
   *   destroyed it while it was held
   */
  readonly resource: T
  /** Whether it is still held through this object. */
  readonly inUse: boolean
  /** When it was made: milliseconds since the epoch. */
  readonly createdAt: number
  /** How often it had been used when it was acquired. */
  readonly useCount: number

  /** Gives it back. A second time rejects with `ERR_POOL_NOT_HELD` and harms nobody. */
  release(): Promise<void>

  /**
   * Gives it back to be destroyed, and never used again.
   * @param reason stands in the log
   */
  discard(reason?: string): Promise<void>

  /** `release()`, without complaint where it was given back already. */
  [Symbol.asyncDispose](): Promise<void>
}

/** The events of a `ResourcePool`, under the names of a `ConnectionPool`'s; every `endpoint` is `factory`. */
export interface ResourcePoolEvents<T>
  extends Omit<
    PoolEvents,
    'poolCreated' | 'connectionReady' | 'hookFailed' | 'desync' | 'commandAborted'
  > {
  poolCreated: [{ options: ResourcePoolOptions<T> }]
  connectionReady: [ConnectionEvent & { durationMs: number }]
  /** A hook or `destroy` failed or took too long. */
  hookFailed: [
    ConnectionEvent & { hook: 'onConnect' | 'onRelease' | 'recycle' | 'destroy'; error: PoolError },
  ]
}

/** A pool of whatever `create` makes. What is not told here is as in `ConnectionPool`. */
export class ResourcePool<T = unknown> extends EventEmitter<ResourcePoolEvents<T>> {
  /**
   * Checks the options; nothing is made yet.
   * @throws {PoolError} `ERR_POOL_INVALID_OPTION`
   */
  constructor(options: ResourcePoolOptions<T>)

  readonly name: string
  readonly state: PoolState

  /**
   * Takes a resource for one holder; first come, first served, within a priority.
   *
   * Rejects with `signal.reason` when aborted, else with a `PoolError`: `ERR_POOL_INVALID_OPTION`,
   * `ERR_POOL_CLOSED`, `ERR_POOL_CLEARED`, `ERR_POOL_QUEUE_FULL`, `ERR_POOL_ACQUIRE_TIMEOUT`,
   * `ERR_POOL_DEADLOCK`, `ERR_POOL_CONNECT`, `ERR_POOL_ENDPOINT_DOWN`; the `cause` of the last two is the error of
   * `create`.
   */
  acquire(options?: ResourceAcquireOptions): Promise<PooledResource<T>>

  /**
   * An idle resource at once, or null. Makes none and never goes before those who wait.
   * @throws {PoolError} `ERR_POOL_CLOSED`, `ERR_POOL_CLEARED`
   */
  tryAcquire(): PooledResource<T> | null

  /** Gives a resource back; the same as its own `release()`. Rejects with `ERR_POOL_NOT_HELD`. */
  release(lease: PooledResource<T>): Promise<void>

  /** Acquires, runs `work`, and gives the resource back whatever comes of it. Rejects as `acquire` and `work` do. */
  use<R>(
    work: (lease: PooledResource<T>) => R | PromiseLike<R>,
    options?: ResourceAcquireOptions,
  ): Promise<R>

  /** @throws {PoolError} `ERR_POOL_CLOSED` */
  ready(): void
  /** @throws {PoolError} `ERR_POOL_CLOSED` */
  pause(): void

  /**
   * Uses nothing any more that there is now: idle resources are destroyed, held ones when they are given back
   * (with `interruptInUse`, at once). The pool is paused until `ready()`.
   * @throws {PoolError} `ERR_POOL_CLOSED`, `ERR_POOL_INVALID_OPTION`
   */
  clear(options?: Omit<ClearOptions, 'endpoint'>): void

  /** Resolves when `minConnections` resources are there; rejects with what keeps them from being made. */
  warm(): Promise<void>

  /** Validates what is idle, all at the same time, and tells how everything is. Never rejects. */
  checkHealth(): Promise<HealthReport>

  /** @throws {PoolError} `ERR_POOL_CLOSED`, `ERR_POOL_INVALID_OPTION` */
  resize(size: PoolSize): void

  /** Gives a held resource back by way of `work`; nobody else gets it meanwhile. */
  recycle<R>(
    lease: PooledResource<T>,
    work: (lease: PooledResource<T>) => R | PromiseLike<R>,
  ): Promise<R>

  /** The pool's figures now; its one endpoint is `factory`. */
  stats(): PoolStats

  /** Every resource and its state now. */
  resources(): ResourceInfo[]

  /** The pool's figures now, for Prometheus: `text/plain; version=0.0.4`. */
  metrics(): string

  ref(): this
  unref(): this

  /**
   * Closes the pool. Calls that wait fail at once, what is being made is aborted, holders may finish until the
   * deadline; each `destroy` has `drainTimeoutMs`. Further calls give the same promise.
   */
  close(options?: CloseOptions): Promise<CloseReport>

  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * May an aborted command have run? An aborted call rejects with the caller's own `signal.reason`, which
 * the pool does not touch; so ask by the promise that `execute` gave.
 *
 * `maybe` can still become `yes` or `no` when the reply was already on its way to the caller.
 *
 * @example
 * const call = pool.execute('render', { signal })
 * await call.catch(() => console.log(deliveredOf(call)))
 * @returns undefined for a call that was not aborted, and for any other promise
 */
export function deliveredOf(call: Promise<unknown>): Delivered | undefined

// ---- Limiter ---------------------------------------------------------------------------------

/** What a `Limiter` is made with. */
export interface LimiterOptions {
  /** Runs at the same time, 1 to 1 024. */
  maxConcurrent: number
  /** Starts in any window of 1 000 ms; 0: no limit. Default: 0. */
  requestsPerSecond?: number | undefined
  /** Starts in any window of 60 000 ms; 0: no limit. Default: 0. */
  requestsPerMinute?: number | undefined
  /** Runs that may wait; beyond them `ERR_POOL_QUEUE_FULL` at once. Without it, any number. */
  maxWaiting?: number | null | undefined
  /** How long a run waits for a permit and for the rate, in milliseconds. Default: 30 000. */
  queueTimeoutMs?: number | undefined
  /** Results kept for `cacheTtlMs`; the oldest makes room. Default: 1 000. */
  maxCached?: number | undefined
  /** In log lines and statistics. Without it: `limiter-1`, `limiter-2`, … */
  name?: string | null | undefined
}

/** How one caller of `Limiter.run` wants it. */
export interface RunOptions {
  /** Rejects this caller with `signal.reason`. When no other waits for the run, that is stopped. */
  signal?: AbortSignal | undefined
  /** Callers with the key of a run that waits or runs join it. 1 to 512 characters, or a safe integer. */
  key?: string | number | undefined
  /** -100 to 100, higher first. Of a caller that joins a run it says nothing. Default: 0. */
  priority?: number | undefined
  /** One deadline over waiting and running, in milliseconds. Default: none. */
  timeoutMs?: number | undefined
  /**
   * With a `key`: for how long the result is kept, should the run succeed, and that a result kept before
   * will do. 0, the default: neither.
   */
  cacheTtlMs?: number | undefined
}

/** The figures of a `Limiter`. Totals never go down. */
export interface LimiterStats {
  name: string
  state: 'ready' | 'closing' | 'closed'
  maxConcurrent: number
  /** Functions at work, those that nobody waits for any more included. */
  running: number
  /** Those of `running` that nobody waits for any more; they keep their permit until they settle. */
  abandoned: number
  /** Runs that have not begun. */
  waiting: number
  /** Results that are kept and not too old. */
  cached: number
  /** Runs that began: `succeeded + failed + running`. */
  started: number
  /** Functions that gave a result, whether or not anybody waited for it. */
  succeeded: number
  /** Functions that threw or rejected. */
  failed: number
  /** Callers whose signal aborted. */
  aborted: number
  /** Callers whose `timeoutMs` or whose run's `queueTimeoutMs` passed. */
  timeouts: number
  /** Callers that joined the run of another. */
  joined: number
  /** Callers that got a kept result. */
  cacheHits: number
  /** Callers that `clear()` turned away. */
  cleared: number
  /** From asking for a permit to getting it, in milliseconds. */
  waitMs: Percentiles
  /** From getting a permit to giving it back, in milliseconds. */
  runMs: Percentiles
  rate: {
    /** `requestsPerSecond`; null: no limit. */
    perSecond: number | null
    /** `requestsPerMinute`; null: no limit. */
    perMinute: number | null
    /** Starts within the last 1 000 ms, counted up to the limits or 10 000, whichever is more. */
    lastSecond: number
    /** Starts within the last 60 000 ms, counted so too. */
    lastMinute: number
    remainingPerSecond: number | null
    remainingPerMinute: number | null
  }
}

/** What closing a `Limiter` did. */
export interface LimiterCloseReport {
  /** Callers that were still waiting, and were failed with `ERR_POOL_CLOSED`. */
  failedWaiters: number
  /** Runs that had not settled by the deadline. */
  cut: number
  durationMs: number
}

/**
 * So many at a time, so many starts within a second and a minute: for whatever is to be called, and called
 * no more often than that. It opens nothing, and holds the process only while somebody waits.
 *
 * @example
 * const limiter = new Limiter({ maxConcurrent: 4, requestsPerSecond: 10 })
 * const page = await limiter.run((signal) => fetch(url, { signal }), { key: url, timeoutMs: 5_000 })
 */
export class Limiter {
  /** @throws {PoolError} `ERR_POOL_INVALID_OPTION` */
  constructor(options: LimiterOptions)

  readonly name: string

  readonly state: 'ready' | 'closing' | 'closed'

  /**
   * Runs `fn` with a permit and within the rate: never before `run` has returned, in the order of the
   * calls within a priority. Gives what `fn` gives, rejects with what it throws.
   *
   * A caller whose `signal` aborts or whose `timeoutMs` passes is told at once. When nobody else waits
   * for the run, it is taken out of the queue, or the signal of `fn` aborts; its permit is free again
   * when `fn` has settled.
   *
   * Rejects with `ERR_POOL_ACQUIRE_TIMEOUT`, `ERR_POOL_COMMAND_TIMEOUT`, `ERR_POOL_QUEUE_FULL`,
   * `ERR_POOL_CLEARED`, `ERR_POOL_CLOSED`, `ERR_POOL_INVALID_OPTION` and `signal.reason`.
   */
  run<T>(fn: (signal: AbortSignal) => T | PromiseLike<T>, options?: RunOptions): Promise<T>

  /** The figures now. */
  stats(): LimiterStats

  /**
   * Turns away all who wait, with `ERR_POOL_CLEARED` and this message, and forgets the kept results. What
   * runs goes on, but nobody joins it any more and its result is not kept.
   */
  clear(reason?: string): void

  /**
   * Turns away all who wait. What runs may settle until the deadline (5 000 ms unless told otherwise; `force`:
   * now); then its signal aborts, and its callers get `ERR_POOL_CLOSED`. Further calls give the same promise.
   */
  close(options?: CloseOptions): Promise<LimiterCloseReport>

  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void>
}
