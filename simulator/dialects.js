'use strict'

/**
 * What each add-on speaks and how it behaves: one row a dialect. A row reads a request's envelope,
 * writes the two replies, and sets each switch to what the real add-on does.
 */

/**
 * @typedef {object} Request
 * @property {unknown} id
 * @property {string} command
 * @property {unknown} params
 */

/**
 * @typedef {'failed' | 'unknown' | 'type' | 'unread'} Why of a failure: the command failed, there is none
 *   of that name, the request is no command, or it could not be read
 */

/**
 * @typedef {object} Dialect
 * @property {'bare' | 'newline' | 'nul' | 'length'} framing
 * @property {number} [decodesBytes] it decodes each read of so many bytes at most by itself
 * @property {(document: any) => Request} read throws a Refusal
 * @property {(id: unknown, result: unknown) => object} success
 * @property {(id: unknown, message: string, why: Why) => object} failure
 * @property {(command: string) => string} unknown the message for a command it does not have
 * @property {(ran: { value: unknown, stdout: string, error?: string }) => unknown} executed execute_code's
 *   result; with `error` only where `codeErrorsSucceed`
 * @property {Record<string, string>} aliases the add-on's own names for commands known here
 * @property {import('./index').Switches} switches what the real add-on does
 * @property {Partial<import('./index').Switches>} [background] what differs without a window
 * @property {Rules} rules what a careful client keeps to; a breach is only noted
 */

/**
 * @typedef {object} Rules
 * @property {boolean} oneInFlight one command on the Blender at a time
 * @property {boolean} answerBeforeNextDial a connection is answered once before the next is dialled
 * @property {boolean} quiet no connection opens or closes while execute_code runs
 * @property {boolean} ascii requests are pure ASCII
 */

/** @type {import('./index').Switches} */
const PLAIN = {
  pingAtOnce: false,
  knowsPing: true,
  crosstalk: 'none',
  loadFileDropsQueue: true,
  wedges: false,
  rebindsCommand: false,
  strictUtf8: false,
  refusesNullParams: false,
  blocksOnSlowReader: false,
  oneRequestPerConnection: false,
  oneConnectionAtATime: false,
  evictIdleMs: 0,
  maxRequestBytes: 0,
  cutRepliesAtBytes: 0,
  asciiReplies: false,
  ownNamesOnly: true,
  codeErrorsSucceed: false,
  deafAfterLoad: false,
}

/** @type {Rules} */
const EASY = { oneInFlight: false, answerBeforeNextDial: false, quiet: false, ascii: false }

/** A request that is no command, and why. */
class Refusal extends Error {
  /** @param {string} message @param {{ id?: unknown, why?: Why }} [more] */
  constructor(message, { id = null, why = 'type' } = {}) {
    super(message)
    this.id = id
    this.why = why
  }
}

// What `category-action` calls the ways to fail, and `niua`.
const CODES = {
  failed: ['EXECUTION_ERROR', 'handler_error'],
  unknown: ['UNKNOWN_ACTION', 'unknown_tool'],
  type: ['UNKNOWN_MESSAGE_TYPE', 'internal_error'],
  unread: ['INVALID_JSON', 'internal_error'],
}

/** @type {Record<import('./index').DialectName, Dialect>} */
const DIALECTS = {
  worker: {
    framing: 'newline',
    read: ({ id = null, type, params }) => ({ id, command: named(type, 'type'), params }),
    success: (id, result) => ({ id, status: 'success', result }),
    failure: (id, message) => ({ id, status: 'error', message }),
    unknown: (command) => `Unknown command type: ${command}`,
    executed: ({ value = null, stdout }) => ({ executed: true, stdout, result: value }),
    aliases: {},
    switches: { ...PLAIN, pingAtOnce: true, loadFileDropsQueue: false },
    rules: EASY,
  },

  'blender-mcp': {
    framing: 'bare',
    read: ({ type, params }) => ({ id: null, command: String(type), params }),
    success: (_id, result) => ({ status: 'success', result }),
    failure: (_id, message) => ({ status: 'error', message }),
    unknown: (command) => `Unknown command type: ${command}`,
    // The add-on gives back only what was printed; `value` is this simulator's.
    executed: ({ value, stdout }) => ({ executed: true, result: stdout, value }),
    aliases: {},
    switches: {
      ...PLAIN,
      crosstalk: 'connections',
      wedges: true,
      rebindsCommand: true,
      strictUtf8: true,
      refusesNullParams: true,
      blocksOnSlowReader: true,
    },
    rules: { oneInFlight: true, answerBeforeNextDial: true, quiet: true, ascii: true },
  },

  'blender-lab': {
    framing: 'nul',
    read: ({ type, code }) => {
      if (type !== 'execute') throw new Refusal(`Unknown request type: ${type}`)
      return { id: null, command: 'execute_code', params: { code } }
    },
    success: (_id, result) => ({ status: 'ok', ...(isRan(result) ? result : { result }) }),
    failure: (_id, message) => ({ status: 'error', message }),
    unknown: (command) => `Unknown command: ${command}`,
    executed: ({ value = {}, stdout }) => ({ result: value, ...(stdout ? { stdout } : {}) }),
    aliases: {},
    switches: {
      ...PLAIN,
      oneRequestPerConnection: true,
      evictIdleMs: 9_800,
      maxRequestBytes: 150_000,
      cutRepliesAtBytes: 4 * 1024 * 1024,
    },
    background: { oneConnectionAtATime: true, maxRequestBytes: 0, cutRepliesAtBytes: 0 },
    rules: { ...EASY, oneInFlight: true },
  },

  'blender-mcp-server': {
    framing: 'newline',
    read: ({ id = null, command, params }) => ({ id, command: String(command), params }),
    success: (id, result) => ({ id, success: true, result }),
    failure: (id, message) => ({ id, success: false, error: message }),
    unknown: (command) => `Unknown command: ${command}`,
    executed: ({ value = null, stdout, error = null }) => ({
      result: value,
      stdout,
      stderr: '',
      error,
    }),
    aliases: {
      'scene.get_info': 'get_scene_info',
      'object.get_transform': 'get_object_info',
      'object.create_mesh': 'create_primitive',
      'object.delete': 'delete_object',
      'python.execute': 'execute_code',
      'render.still': 'render',
    },
    switches: { ...PLAIN, strictUtf8: true, codeErrorsSucceed: true, deafAfterLoad: true },
    rules: EASY,
  },

  'category-action': {
    framing: 'newline',
    decodesBytes: 4096,
    read({ id = 'unknown', type, category, action, params }) {
      if (type !== 'command') throw new Refusal(`Unknown message type: ${type}`, { id })
      // What only this simulator has is in a category of its own.
      return { id, command: category === 'sim' ? String(action) : `${category}.${action}`, params }
    },
    success: (id, result) => ({ id, success: true, data: result }),
    failure: (id, message, why) => ({
      id: id ?? 'unknown',
      success: false,
      error: { code: CODES[why][0], message, suggestion: 'Look at the scene first.' },
    }),
    unknown: (command) => `Unknown action: ${command}`,
    // The add-on gives back only what was printed; `value` is this simulator's.
    executed: ({ value, stdout }) => ({ output: stdout, value }),
    aliases: {
      'system.get_info': 'get_scene_info',
      'scene.get_info': 'get_scene_info',
      'object.get_info': 'get_object_info',
      'object.create': 'create_primitive',
      'object.delete': 'delete_object',
      'utility.execute_python': 'execute_code',
      'render.image': 'render',
    },
    switches: { ...PLAIN, crosstalk: 'connections', strictUtf8: true, refusesNullParams: true },
    rules: { ...EASY, oneInFlight: true, quiet: true, ascii: true },
  },

  'blender-ai-mcp': {
    framing: 'length',
    read({ request_id: id = null, cmd, args }) {
      if (!id || !cmd) throw new Refusal('Missing request_id or cmd', { id })
      return { id, command: String(cmd), params: args }
    },
    success: (id, result) => ({ request_id: id, status: 'ok', result }),
    failure: (id, message, why) =>
      why === 'unread'
        ? { status: 'error', error: message }
        : { request_id: id, status: 'error', error: message },
    unknown: (command) => `Unknown command: ${command}`,
    // The add-on runs no code; the lines for this simulator are run all the same.
    executed: ({ value = null, stdout }) => ({ result: value, stdout }),
    aliases: {
      'scene.list_objects': 'get_scene_info',
      'scene.inspect_object': 'get_object_info',
      'scene.delete_object': 'delete_object',
      'modeling.create_primitive': 'create_primitive',
    },
    switches: {
      ...PLAIN,
      pingAtOnce: true,
      strictUtf8: true,
      refusesNullParams: true,
      oneConnectionAtATime: true,
    },
    rules: EASY,
  },

  'blender-mcp-pro': {
    framing: 'length',
    read({ command, params }) {
      if (!command) throw new Refusal("No 'command' field in request")
      return { id: null, command: String(command), params }
    },
    success: (_id, result) => ({ status: 'ok', result }),
    failure: (_id, message, why) =>
      why === 'unread'
        ? { status: 'error', message, hint: 'Connection or protocol error.' }
        : {
            status: 'error',
            message,
            hint: 'Blender operation failed. Object may be in wrong mode.',
            traceback: `Traceback (most recent call last):\nRuntimeError: ${message}\n`,
          },
    unknown: (command) => `Unknown command: '${command}'. Available commands: get_scene_info`,
    executed: ({ value, stdout, error }) => ({
      stdout,
      stderr: '',
      ...(value == null ? {} : { result: value }),
      ...(error === undefined ? {} : { error }),
    }),
    aliases: {
      create_object: 'create_primitive',
      execute_python: 'execute_code',
      render_image: 'render',
    },
    switches: {
      ...PLAIN,
      crosstalk: 'commands',
      loadFileDropsQueue: false,
      refusesNullParams: true,
      oneRequestPerConnection: true,
      evictIdleMs: 30_000,
      codeErrorsSucceed: true,
    },
    rules: { ...EASY, oneInFlight: true },
  },

  niua: {
    framing: 'newline',
    read: ({ command, payload }) => ({
      id: null,
      command: String(command ?? ''),
      params: payload ?? {},
    }),
    success: (_id, result) => ({ ok: true, result }),
    failure: (_id, message, why) => ({ ok: false, error: { code: CODES[why][1], message } }),
    unknown: (command) => `unknown command: ${command}`,
    // The add-on gives back only that it ran; `value` and `stdout` are this simulator's.
    executed: ({ value, stdout }) => ({ ok: true, value, stdout }),
    aliases: {
      'system.health': 'ping',
      'system.execute_python': 'execute_code',
      'scene.info': 'get_scene_info',
      'object.transform_get': 'get_object_info',
      'object.create': 'create_primitive',
      'object.delete': 'delete_object',
      'render.still': 'render',
    },
    switches: { ...PLAIN, loadFileDropsQueue: false, oneRequestPerConnection: true },
    rules: EASY,
  },
}

/** @param {unknown} value @param {string} field */
function named(value, field) {
  if (typeof value !== 'string')
    throw new Refusal(`${field} must be a string that names a command.`)
  return value
}

/**
 * Whether it is what `executed` gives, which Blender Lab spreads over its reply.
 *
 * @param {unknown} result
 * @returns {result is { result: unknown }}
 */
function isRan(result) {
  return typeof result === 'object' && result !== null && 'result' in result
}

module.exports = { DIALECTS, Refusal }
