// @ts-check
'use strict'
// What the tool says to a Blender. Every command carries a mark that has to come back in its own reply, and none
// changes anything: it prints, or asks for an object that is not there. A dialect is one row.

/**
 * @typedef {object} Row
 * @property {string} [code] the command that runs Python
 * @property {string} [ask] one that is given a name and, finding nothing, repeats it
 * @property {string} ping answered with anything; carries no mark
 * @property {number} inFlight commands on one Blender at a time, as the pool keeps to; Infinity: any number
 * @property {number} port
 * @property {number} [connections] that one Blender serves at a time
 * @property {boolean} [perRequest] every command has a connection of its own
 */

/** @type {Record<import('..').DialectName, Row>} */
const ROWS = {
  'blender-mcp': { code: 'execute_code', ping: 'get_scene_info', inFlight: 1, port: 9876 },
  worker: { code: 'execute_code', ping: 'ping', inFlight: Infinity, port: 9876 },
  'blender-lab': {
    code: 'execute_code',
    ping: 'execute_code',
    inFlight: 1,
    port: 9876,
    perRequest: true,
  },
  'blender-mcp-server': {
    code: 'python.execute',
    ping: 'scene.get_info',
    inFlight: Infinity,
    port: 9876,
  },
  'category-action': {
    code: 'utility.execute_python',
    ping: 'system.get_info',
    inFlight: 1,
    port: 9876,
  },
  'blender-ai-mcp': {
    ask: 'scene.inspect_object',
    ping: 'ping',
    inFlight: Infinity,
    port: 8765,
    connections: 1,
  },
  'blender-mcp-pro': {
    code: 'execute_python',
    ping: 'get_scene_info',
    inFlight: 1,
    port: 9877,
    perRequest: true,
  },
  niua: {
    code: 'system.execute_python',
    ping: 'system.health',
    inFlight: Infinity,
    port: 8765,
    perRequest: true,
  },
}

/** How a mark travels: in Python that prints it, as a name nobody has, or not at all. */
const WAYS = /** @type {const} */ (['code', 'ask', 'ping'])
/** @typedef {typeof WAYS[number]} Way */

const MARK = /mark-[0-9a-z]+-\d+/g

class Speech {
  /** Of this run: other tools may be talking to the same Blender. */
  #run = `${process.pid.toString(36)}${Math.floor(Math.random() * 36 ** 4).toString(36)}`
  #marks = 0
  #row

  /**
   * @param {import('..').DialectName} dialect
   * @param {Way} way
   * @param {boolean} mayBlock whether Blender may be kept busy for a while
   */
  constructor(dialect, way, mayBlock) {
    this.dialect = dialect
    this.way = way
    this.#row = ROWS[dialect]
    this.mayBlock = mayBlock && way === 'code'
  }

  get hasMarks() {
    return this.way !== 'ping'
  }

  /** Whether every command has a connection of its own. */
  get perRequest() {
    return this.#row.perRequest === true
  }

  /** Connections that one Blender serves at a time. */
  get connections() {
    return this.#row.connections ?? Infinity
  }

  /** Commands that run on one Blender at a time. */
  get inFlight() {
    return this.#row.inFlight
  }

  mark() {
    return `mark-${this.#run}-${++this.#marks}`
  }

  /**
   * @param {string} mark
   * @param {number} [busyMs] keeps Blender busy for so long; only where `mayBlock`
   * @returns {import('..').Command}
   */
  command(mark, busyMs = 0) {
    if (this.way === 'ask') return { type: `${this.#row.ask}`, params: { name: mark } }
    if (this.way === 'ping' && this.#row.ping !== this.#row.code) return { type: this.#row.ping }
    const busy =
      busyMs > 0 ? [`import time; time.sleep(${busyMs / 1000})`, sim('sleep', { ms: busyMs })] : []
    const told = [`result = {"mark": "${mark}"}`, `print("${mark}")`, sim('print', { text: mark })]
    return { type: `${this.#row.code}`, params: { code: [...busy, ...told].join('\n') } }
  }

  /**
   * What is wrong with a reply, or null.
   * @param {import('..').Reply} reply
   * @param {string} mark
   * @returns {{ kind: 'refused' | 'foreign', text: string } | null} `refused`: by the add-on
   */
  complaint(reply, mark) {
    if (this.way === 'ping') return null
    const marks = new Set(JSON.stringify(reply)?.match(MARK))
    if (marks.size === 1 && marks.has(mark)) return null
    if (marks.size === 0 && reply?.success === false) {
      return { kind: 'refused', text: `the add-on refused: ${reply.message}` }
    }
    const found = marks.size === 0 ? 'no mark' : [...marks].join(' and ')
    return { kind: 'foreign', text: `${mark} was sent and ${found} came back` }
  }
}

/**
 * For the simulator, which runs no Python.
 * @param {string} command
 * @param {object} params
 */
function sim(command, params) {
  return `# sim: ${JSON.stringify({ command, params })}`
}

module.exports = { MARK, ROWS, Speech, WAYS }
