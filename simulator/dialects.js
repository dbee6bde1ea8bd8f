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
 * @typedef {object} Dialect
 * @property {'bare' | 'newline' | 'nul'} framing
 * @property {(document: any) => Request} read throws an Error whose message is the reply's
 * @property {(id: unknown, result: unknown) => object} success
 * @property {(id: unknown, message: string) => object} failure
 * @property {(command: string) => string} unknown the message for a command it does not have
 * @property {(ran: { value: unknown, stdout: string }) => unknown} executed execute_code's result
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
}

/** @type {Rules} */
const EASY = { oneInFlight: false, answerBeforeNextDial: false, quiet: false, ascii: false }

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
      if (type !== 'execute') throw new Error(`Unknown request type: ${type}`)
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
    executed: ({ value = null, stdout }) => ({ result: value, stdout, stderr: '', error: null }),
    aliases: {
      'scene.get_info': 'get_scene_info',
      'object.get_transform': 'get_object_info',
      'object.create_mesh': 'create_primitive',
      'object.delete': 'delete_object',
      'python.execute': 'execute_code',
      'render.still': 'render',
    },
    switches: { ...PLAIN, strictUtf8: true },
    rules: EASY,
  },
}

/** @param {unknown} value @param {string} field */
function named(value, field) {
  if (typeof value !== 'string') throw new Error(`${field} must be a string that names a command.`)
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

module.exports = { DIALECTS }
