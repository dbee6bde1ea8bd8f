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
export type PoolState = 'ready' | 'closing' | 'closed'

/**
 * One Blender. Give `address`, or `host` and `port`, or `path`; without a dialect of its own it has
 * the pool's.
 */
export interface EndpointOptions {
  /** What calls, events and statistics name it by. Default: its address. */
  name?: string
  /** `host:port`, `tcp://host:port` or `unix:/path`. */
  address?: string
  /** Name or address. `localhost` tries IPv4 and IPv6. Default, with a port: `localhost`. */
  host?: string
  /** 1 to 65535. Default: the dialect's own. */
  port?: number
  /** The path of a Unix socket. */
  path?: string
  dialect?: 'auto' | DialectName
  /** At most so many of the pool's connections go here; at least 1. */
  maxConnections?: number
}

/** Every option may be left out; `null` where it stands means "the dialect's own". */
export interface PoolOptions {
  /** The pool's name in log lines and warnings. Default: `pool-1`, `pool-2` and so on. */
  name?: string | null
  /** Where Blender listens. Default: `BLENDER_HOST` and `BLENDER_PORT`, else `localhost:9876`. */
  endpoints?: string | EndpointOptions | ReadonlyArray<string | EndpointOptions> | null
  /** What the add-on speaks. Default: `'auto'`, which asks it. */
  dialect?: 'auto' | DialectName
  /** Connections of the whole pool. Default: 5. */
  maxConnections?: number
  /** Connects in flight to one endpoint. Default: 2, or the dialect's own. */
  maxConnecting?: number | null
  /** Commands running on one Blender at a time. Default: the dialect's own. */
  maxInFlightPerEndpoint?: number | null
  /** Whether a connection has to answer a ping before it is used. Default: the dialect's own. */
  pingOnConnect?: boolean | null
  /** Calls that may wait; one more is refused with `ERR_POOL_QUEUE_FULL`. Default: any number. */
  maxWaiting?: number | null
  /** Waiting for a connection, including opening one. Default: 30 000. */
  acquireTimeoutMs?: number
  /** One attempt to connect. Default: 5 000. */
  connectTimeoutMs?: number
  /**
   * How long a call puts up with failing attempts to connect before the last failure becomes its error;
   * 0: the first one does. Default: 3 000.
   */
  connectRetryMs?: number
  /** From writing a command to its whole reply. Default: 180 000. */
  commandTimeoutMs?: number
  /** How long a connection whose command was cut short may finish its reply. Default: 5 000. */
  drainTimeoutMs?: number
  /** A connection is closed after so many uses. Default: 1 000. */
  maxUses?: number
  /** A larger command is refused at the call. Default: 64 MiB, or the dialect's own. */
  maxRequestBytes?: number | null
  /** A larger reply cuts the connection. Default: 64 MiB, or the dialect's own. */
  maxReplyBytes?: number | null
  /** The first wait between failed connects to one endpoint; it doubles, with full jitter. Default: 100. */
  retryBackoffMs?: number
  /** The longest such wait. Default: 30 000. */
  maxRetryBackoffMs?: number
  /**
   * Whether an endpoint may be something else than loopback or a Unix socket. Default: false, for the
   * add-ons' protocols run code without asking who sends it.
   */
  allowRemote?: boolean
}

/** What to run: the add-on's name for it, and its parameters as plain JSON. */
export interface Command {
  type: string
  params?: object | null
}

/** A command's answer, the same from every dialect. What else a dialect tells (`stdout`, `error.code`, `hint`) stands beside it. */
export interface Reply<Result = Json> {
  /** Whether the add-on ran the command without an error of its own. */
  success: boolean
  status: 'success' | 'error'
  result?: Result
  /** The add-on's words, mostly with an error. */
  message?: string
  [extra: string]: unknown
}

/** Options of `acquire` and `use`. */
export interface AcquireOptions {
  /** Aborting rejects the call at once with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** One deadline over waiting, connecting and the reply: 1 to 2 147 483 647. */
  timeoutMs?: number | undefined
  /** The name of the endpoint to use. Default: any. */
  endpoint?: string | undefined
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
  raw?: boolean
}

/** Options of `ConnectionPool.execute`. */
export interface ExecuteOptions extends HeldExecuteOptions {
  /** The name of the endpoint to use. Default: any. */
  endpoint?: string | undefined
}

/** Options of `ConnectionPool.close`. */
export interface CloseOptions {
  /** How long held connections and running commands may finish: 0 to 2 147 483 647. Default: `drainTimeoutMs`. */
  timeoutMs?: number
  /** Cut them at once. Given to a later call, it cuts short a close that is under way. Default: false. */
  force?: boolean
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
export type CloseReason = 'idle' | 'error' | 'poolClosed' | 'uses' | 'discarded'

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

/** A Blender in `PoolStats`. */
export interface EndpointStats extends Gauges {
  name: string
  /** null: not known yet. */
  dialect: DialectName | null
  /** Commands running there. */
  inFlight: number
  /** Failed connects in a row. */
  failures: number
  lastError: string | null
}

/** A pool's figures at one moment. What follows `max` only ever grows. */
export interface PoolStats extends Gauges {
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
  /** Connections closed because bytes came that nobody had asked for. */
  desyncs: number
  /** Always 0; anything else is a defect of this package. */
  raceDetected: number
  closed: Record<CloseReason, number>
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
}

/** A Blender as the pool sees it now. */
export interface EndpointInfo extends EndpointStats {
  address: string
}

/** The codes a `PoolError` can have; the README tells what to do about each. */
export type PoolErrorCode =
  | 'ERR_POOL_INVALID_OPTION'
  | 'ERR_POOL_INVALID_COMMAND'
  | 'ERR_POOL_CLOSED'
  | 'ERR_POOL_ACQUIRE_TIMEOUT'
  | 'ERR_POOL_QUEUE_FULL'
  | 'ERR_POOL_CONNECT'
  | 'ERR_POOL_ENDPOINT_DOWN'
  | 'ERR_POOL_CONNECTION_LOST'
  | 'ERR_POOL_COMMAND_TIMEOUT'
  | 'ERR_POOL_COMMAND_FAILED'
  | 'ERR_POOL_PROTOCOL'
  | 'ERR_POOL_REPLY_TOO_LARGE'
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
  advice?: string
  delivered?: Delivered
  retryable?: boolean
  endpoint?: string
  connectionId?: number
  details?: Record<string, unknown>
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
    options?: HeldExecuteOptions & { raw?: false },
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

/** The events and what each listener is given. `'error'` is never among them. */
export interface PoolEvents {
  /** On the turn after the constructor and before any other, with the options that are not the default. */
  poolCreated: [{ options: PoolOptions }]
  /** The last one. */
  poolClosed: [Record<string, never>]
  /** A slot is reserved, and connecting begins. */
  connectionCreated: [ConnectionEvent]
  /** It is fit for use; `durationMs` since it was created. */
  connectionReady: [ConnectionEvent & { dialect: DialectName; durationMs: number }]
  connectionClosed: [ConnectionEvent & { reason: CloseReason; error?: PoolError }]
  /** A caller aborted an `acquire` that waited; `error` is the abort's reason. */
  connectionCheckOutFailed: [{ reason: 'aborted'; durationMs: number; error: unknown }]
  /** A caller aborted a command that was waiting or running. */
  commandAborted: [{ type: string; delivered: Delivered; reason: unknown }]
  /** Bytes came that nobody had asked for; the connection is closed. */
  desync: [ConnectionEvent & { error: PoolError }]
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
   * `ERR_POOL_INVALID_OPTION`, `ERR_POOL_CLOSED`, `ERR_POOL_QUEUE_FULL`, `ERR_POOL_ACQUIRE_TIMEOUT`,
   * `ERR_POOL_CONNECT`, `ERR_POOL_ENDPOINT_DOWN`, `ERR_POOL_CONNECTION_LOST`, `ERR_POOL_COMMAND_TIMEOUT`,
   * `ERR_POOL_PROTOCOL`, `ERR_POOL_REPLY_TOO_LARGE`, and `ERR_POOL_COMMAND_FAILED` with `rejectOnError`.
   * The pool sends a command again only if not one byte of it was written.
   */
  execute(command: string | Command, options: ExecuteOptions & { raw: true }): Promise<Buffer>
  execute<Result = Json>(
    command: string | Command,
    options?: ExecuteOptions & { raw?: false },
  ): Promise<Reply<Result>>
  execute(command: string | Command, options?: ExecuteOptions): Promise<Reply | Buffer>

  /**
   * Takes a connection for one holder; first come, first served.
   *
   * Rejects with `signal.reason` when aborted, else with a `PoolError`: `ERR_POOL_INVALID_OPTION`,
   * `ERR_POOL_CLOSED`, `ERR_POOL_QUEUE_FULL`, `ERR_POOL_ACQUIRE_TIMEOUT`, `ERR_POOL_CONNECT`,
   * `ERR_POOL_ENDPOINT_DOWN`, `ERR_POOL_PROTOCOL`.
   */
  acquire(options?: AcquireOptions): Promise<PooledConnection>

  /**
   * An idle connection at once, or null. Opens none and never goes before those who wait.
   * @throws {PoolError} `ERR_POOL_CLOSED`, `ERR_POOL_INVALID_OPTION`
   */
  tryAcquire(options?: { endpoint?: string }): PooledConnection | null

  /** Gives a connection back; the same as its own `release()`. Rejects with `ERR_POOL_NOT_HELD`. */
  release(connection: PooledConnection): Promise<void>

  /** Acquires, runs `work`, and gives the connection back whatever comes of it. Rejects as `acquire` and `work` do. */
  use<T>(
    work: (connection: PooledConnection) => T | PromiseLike<T>,
    options?: AcquireOptions,
  ): Promise<T>

  /** The pool's figures now. */
  stats(): PoolStats

  /** Every connection and its state now. */
  connections(): ConnectionInfo[]

  /** Every Blender and its state now. */
  endpoints(): EndpointInfo[]

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
