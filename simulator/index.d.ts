/** A simulated Blender, for tests and for the demo. Times are milliseconds, sizes bytes. */

export type DialectName =
  | 'worker'
  | 'blender-mcp'
  | 'blender-lab'
  | 'blender-mcp-server'
  | 'category-action'
  | 'blender-ai-mcp'
  | 'blender-mcp-pro'
  | 'niua'

/** The add-ons' traps. Each defaults to what the real add-on of the dialect does. */
export interface Switches {
  /** `ping` is answered by the reading thread, however busy the main thread is. */
  pingAtOnce: boolean
  /** `ping` is a command; otherwise it is an unknown one, which still shows a living Blender. */
  knowsPing: boolean
  /** Whose lines land in a running `execute_code`'s output: connections opening and closing, commands received, or both. */
  crosstalk: 'none' | 'connections' | 'commands' | 'everything'
  /** `load_file` silently drops every queued command. */
  loadFileDropsQueue: boolean
  /** Bare JSON only: two documents in one read, a NUL, or broken JSON make the connection deaf for ever. */
  wedges: boolean
  /** A second command on a connection before the first ran: the first is lost, the second runs twice. */
  rebindsCommand: boolean
  /**
   * Bytes that are not UTF-8 close the connection; with `blender-mcp` and `category-action`, which decode each
   * read by itself, also a read that ends inside a character.
   */
  strictUtf8: boolean
  /** `params: null` is an error. */
  refusesNullParams: boolean
  /** Replies are written on the main thread: a client that does not read holds up everybody. */
  blocksOnSlowReader: boolean
  /** The connection is closed after one reply. */
  oneRequestPerConnection: boolean
  /** Connections are served strictly one after another: an idle one holds up all others. */
  oneConnectionAtATime: boolean
  /** A connection that sends nothing for so long gets an error and is closed; 0: never. */
  evictIdleMs: number
  /** A longer request closes the connection without a reply; 0: any length. */
  maxRequestBytes: number
  /** A reply of this size or more is cut there, without its delimiter, and the connection closed; 0: never. */
  cutRepliesAtBytes: number
  /** Replies are pure ASCII, as Python's `json.dumps` writes them. Off everywhere unless asked for. */
  asciiReplies: boolean
  /** What the add-on calls by a name of its own is unknown by the name it has here (`execute_code`). */
  ownNamesOnly: boolean
  /** An exception in the code that was sent is no failure: the reply is a success with `result.error`. */
  codeErrorsSucceed: boolean
  /** After `load_file`, which is answered, it accepts and reads and never answers a command again. */
  deafAfterLoad: boolean
}

export interface SimulatorOptions extends Partial<Switches> {
  /** Default `'worker'`. */
  dialect?: DialectName
  /** Default `'127.0.0.1'`. */
  host?: string
  /** Default 0: any free port. */
  port?: number
  /** A Unix socket (or Windows pipe) instead of host and port. */
  path?: string
  /** The main thread takes one command a beat. Default 5; 0: without waiting. */
  beatMs?: number
  /** Every reply comes up to so much later, so that answers come out of rhythm. Default 0. */
  jitterMs?: number
  /** Seed of jitter, of delay ranges and of `chance`. Default 1. */
  seed?: number
  /** A Blender without a window; changes the defaults of `blender-lab`. Default false. */
  background?: boolean
}

/** Bytes to send; `true` stands for a standard example. */
export type FaultBytes = string | Buffer | true

export interface FaultSubject {
  /** The connection's number, from 1, in order of arrival. */
  socket: number
  seq?: number
  id?: unknown
  command?: string
  params?: unknown
}

/** When a fault strikes. Without any of these: always. */
interface FaultTiming {
  /** Only so many times. */
  times?: number
  /** Not the first so many times that it would fit. */
  skip?: number
  /** Strikes with this probability (seeded). */
  chance?: number
  /** Only this command, or these; a command inside a `# sim:` line counts. */
  command?: string | string[]
  /** Only where this holds. */
  match?: (subject: FaultSubject) => boolean
}

/** Something goes wrong with a new connection. */
interface ConnectionFault {
  /** Closed, or reset, right after it was accepted. (For a refusal by the kernel: `stopListening()`.) */
  refuse?: 'close' | 'reset'
  /** Nothing is read from it for so long. */
  acceptDelayMs?: number
  /** Sent as soon as it is accepted, though nobody asked. */
  greeting?: FaultBytes
}

/** Something goes wrong with a command or its reply. Several may be given together. */
interface CommandFault {
  /** The reply comes so much later, or by a random time between the two; the main thread goes on. */
  delayMs?: number | [number, number]
  /** The reply is written in pieces: cut at these bytes, or one byte at a time. */
  splitAt?: number | number[] | 'each'
  /** Between two pieces; default: one turn of the event loop. */
  pauseMs?: number
  /** Only so many bytes of the reply (negative: all but so many), then the connection is closed. */
  truncate?: number
  /** These bytes instead of the reply. */
  garbage?: FaultBytes
  /** The command runs, and no reply ever comes. */
  silence?: boolean
  /**
   * The connection is reset: when the first byte of a request arrives (`command` does not apply), when it was
   * read but not run, when it has run, or after half of the reply.
   */
  reset?: 'beforeRead' | 'afterRead' | 'afterRun' | 'midReply'
  /** These bytes right behind the reply, in the same write. */
  unsolicited?: FaultBytes
  /** The reply in the envelope and framing of another dialect. */
  dialect?: DialectName
  /** A valid reply of exactly so many bytes, delimiter included, instead of the real result. */
  replyBytes?: number
  /** Echoes this id instead of the request's. */
  id?: unknown
}

/** Either of a connection or of a command, never both. Also accepted as `params.$fault` of a command. */
export type Fault = FaultTiming & ConnectionFault & CommandFault

export interface CommandRecord {
  /** From 1, in order of arrival over all connections. */
  seq: number
  socket: number
  /** As the request had it; null where the dialect has no ids. */
  id: unknown
  command: string
  /** As received; undefined when the whole request was longer than 4096 bytes. */
  params: unknown
  /** Length of the request, delimiter excluded. */
  bytes: number
  /**
   * `answered`: the whole reply was handed to the kernel (or is about to be, in pieces). `lost`: the add-on
   * dropped it without a word. `faulted`: a fault took the reply. `unread`: the client was gone.
   */
  state: 'received' | 'running' | 'answered' | 'lost' | 'faulted' | 'unread'
  /** How often it ran: 0, 1, or 2 by the `rebindsCommand` trap. */
  runs: number
}

export type ViolationKind =
  /** A command on a connection whose previous one was not answered yet. */
  | 'pipelined'
  /** A command while another connection's was not answered yet, where only one at a time is safe. */
  | 'overlapping'
  /** A connection while an earlier one had not been answered once (`blender-mcp`). */
  | 'dialBeforeAnswer'
  /** A connection opened, or closed by the client, while `execute_code` ran (`blender-mcp`, `category-action`). */
  | 'dialWhileRunning'
  | 'closeWhileRunning'
  /** A request that is not pure ASCII (`blender-mcp`, `category-action`). */
  | 'notAscii'
  | 'nullParams'
  /** More than one request on a connection that takes one (`blender-lab`, `blender-mcp-pro`, `niua`). */
  | 'secondRequest'
  | 'requestTooLarge'
  | 'wedged'
  | 'invalidUtf8'
  | 'invalidJson'
  | 'badEnvelope'

export interface Violation {
  kind: ViolationKind
  socket: number
  command?: string
}

export interface SimulatorStats {
  /** Connections open now, and the most at one time. Refused ones are not in these. */
  open: number
  peak: number
  /** Connections that came, refused ones included. */
  connects: number
  /** Connections turned away by a `refuse` fault. */
  refused: number
  /** Commands received whole, answered, and dropped by the add-on's traps or the end of the process. */
  received: number
  answered: number
  lost: number
  /** Commands received and not settled yet: now, and the most at one time. */
  inFlight: number
  peakInFlight: number
  /** How often a fault struck. */
  faults: number
  /** Every command, in order of arrival. */
  commands: CommandRecord[]
  /** What a careful client would not have done. */
  violations: Violation[]
}

export interface SimulatorEvent {
  /** `answered`, `lost`, `faulted` and `unread` settle a command. */
  event:
    | 'connect'
    | 'close'
    | 'refuse'
    | 'command'
    | 'run'
    | 'answered'
    | 'lost'
    | 'faulted'
    | 'unread'
    | 'fault'
    | 'violation'
  socket: number
  command?: CommandRecord
  violation?: Violation
}

export interface Simulator {
  readonly dialect: DialectName
  readonly host: string
  readonly port: number
  readonly path: string | undefined
  /** `host:port`, `[v6]:port` or `unix:/path`: what a pool takes as an endpoint. */
  readonly address: string
  /** A copy. Goes on counting over `restart()`. */
  stats(): SimulatorStats
  /** Returns a function that takes the listener off again. */
  on(listener: (event: SimulatorEvent) => void): () => void
  /** Resolves as soon as this holds, now or after some event. The statistics it sees are live: do not keep them. */
  waitFor(holds: (stats: SimulatorStats) => boolean): Promise<void>
  /** Replaces all faults; the first that fits strikes. Nothing, or null: no faults. */
  setFaults(faults?: Fault | Fault[] | null): void
  /** Sends bytes that nobody asked for, now, to one connection or to all. */
  say(bytes?: FaultBytes, socket?: number): void
  /** Closes (or resets) one connection, or all; goes on listening. */
  hangUp(which?: { socket?: number; reset?: boolean }): void
  /** Ends every `hold` that runs: the command that keeps the main thread busy until now. */
  release(): void
  /** The kernel refuses new connections; the open ones stay. */
  stopListening(): Promise<void>
  startListening(): Promise<void>
  /** As a crash: resets every connection, stops listening, forgets what was queued. */
  kill(): Promise<void>
  /** Kills it if it lives, and starts a new Blender on the same port: a new scene, the same statistics and faults. */
  restart(): Promise<void>
  /** As SIGSTOP: connections are accepted, nothing is read or answered. */
  freeze(): void
  thaw(): void
  /** Closes everything. */
  close(): Promise<void>
}

/** Resolves once it listens. */
export function startSimulator(options?: SimulatorOptions): Promise<Simulator>

/** What the command `big` answers: a text of exactly `bytes` bytes in UTF-8. */
export function bigText(bytes: number, multibyte?: boolean): string

export interface NarrowListenerOptions {
  /** Default `python3`, on Windows `python`. At least 3.9. */
  python?: string
  host?: string
  port?: number
  beatMs?: number
}

export interface NarrowListenerStats {
  connects: number
  /** Commands received whole, answered, and received but never run. */
  commands: number
  answered: number
  lost: number
}

export interface NarrowListener {
  readonly host: string
  readonly port: number
  readonly address: string
  readonly pid: number
  /** Resolves when the next command `hold` (each once) keeps the main thread busy. */
  held(): Promise<void>
  /** Ends it; resolves once the process is gone. Rejects when it had died by itself. */
  stop(): Promise<NarrowListenerStats>
}

/** The popular add-on's socket code, with its listen backlog of 1, as a Python process. */
export function startNarrowListener(options?: NarrowListenerOptions): Promise<NarrowListener>
