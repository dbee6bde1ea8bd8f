/**
 * `src/utils/socket-client.ts` of the Blender MCP servers, over the pool of this package. What differs
 * stands in `socket-client.js`; how to go further, in `docs/migrating.md`.
 */
import type { BlenderSocketResponse } from './connection-pool.js'

export type { BlenderSocketResponse, ExplainedError } from './connection-pool.js'

/** One connection to one Blender. Commands run one after another, and each has its own answer. */
export class BlenderSocketClient {
  /**
   * What is left out the environment says, now: `BLENDER_HOST` (localhost), `BLENDER_PORT` (9876),
   * `SOCKET_TIMEOUT` (180 000).
   * @param timeout milliseconds for one call; 0: as long as it takes
   */
  constructor(host?: string, port?: number, timeout?: number)

  /** Rejects with `Failed to connect to Blender: …`. Connected already: does nothing. */
  connect(): Promise<void>

  /**
   * Connects if need be, and runs one command. An error of Blender's own resolves. Rejects with an
   * `ExplainedError` or a `BufferOverflowError`.
   */
  sendCommand(type: string, params?: Record<string, unknown>): Promise<BlenderSocketResponse>

  /** Whether a connection to Blender stands now. Never rejects. */
  validateConnection(): Promise<boolean>

  /** What runs may finish, for two seconds. Afterwards the client connects again when it is asked to. */
  disconnect(): Promise<void>
}

/** A reply of more than 50 MB. */
export class BufferOverflowError extends Error {
  constructor(totalBytes: number, maxSize: number, chunkCount: number)
  readonly totalBytes: number
  readonly maxSize: number
  /** In pieces of 64 KiB. */
  readonly chunkCount: number
}

/** Nothing throws it: a reply may come in as many pieces as it likes. */
export class ChunkCountExceededError extends Error {
  constructor(chunkCount: number, maxChunks: number)
  readonly chunkCount: number
  readonly maxChunks: number
}

/** The process's own client, made when it is first asked for. */
export function getBlenderClient(): BlenderSocketClient
