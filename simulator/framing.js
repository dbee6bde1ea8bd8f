'use strict'

/**
 * Bytes to requests and replies to bytes, one framing a reader. A reader takes whatever chunk the
 * socket gave and returns the documents that became whole; it never throws: what is wrong with a
 * document stands in its `problem`.
 */

const { isUtf8 } = require('node:buffer')

/**
 * @typedef {object} Document
 * @property {Buffer} bytes
 * @property {unknown} [value] the parsed JSON, when there is no problem
 * @property {'invalidUtf8' | 'invalidJson' | 'wedged'} [problem]
 */

/** @typedef {{ push(chunk: Buffer): Document[] }} Reader */

const NEWLINE = 0x0a
const NUL = 0x00

// What the popular add-on takes from its socket at a time, and decodes at once.
const RECV_BYTES = 8192

/** @param {Buffer} bytes @returns {Document} */
function parse(bytes) {
  if (!isUtf8(bytes)) return { bytes, problem: 'invalidUtf8' }
  try {
    return { bytes, value: JSON.parse(bytes.toString()) }
  } catch {
    return { bytes, problem: 'invalidJson' }
  }
}

/** @implements {Reader} */
class DelimitedReader {
  /** @type {Buffer[]} */
  #parts = []
  #delimiter

  /** @param {number} delimiter */
  constructor(delimiter) {
    this.#delimiter = delimiter
  }

  /** @param {Buffer} chunk @returns {Document[]} */
  push(chunk) {
    /** @type {Document[]} */
    const documents = []
    let start = 0
    let end = chunk.indexOf(this.#delimiter)
    while (end !== -1) {
      const bytes = Buffer.concat([...this.#parts, chunk.subarray(start, end)])
      this.#parts = []
      if (!bytes.every(isSpace)) documents.push(parse(bytes))
      start = end + 1
      end = chunk.indexOf(this.#delimiter, start)
    }
    if (start < chunk.length) this.#parts.push(chunk.subarray(start))
    return documents
  }
}

/** Follows one bare JSON document byte by byte, remembering strings, escapes and depth. */
class Outline {
  started = false
  ended = false
  #depth = 0
  #inString = false
  #escaped = false

  /** @param {number} byte */
  step(byte) {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false
      else if (byte === 0x5c) this.#escaped = true
      else if (byte === 0x22) this.#inString = false
      return
    }
    if (isSpace(byte)) return
    this.started = true
    if (byte === 0x22) this.#inString = true
    else if (byte === 0x7b || byte === 0x5b) this.#depth++
    else if (byte === 0x7d || byte === 0x5d) this.ended = --this.#depth <= 0
  }
}

/**
 * Reads bare JSON as the popular add-on does: 8 KiB at a time, until *everything* received so far
 * is one document. So a second document in the same read, a NUL, or a broken one means that it
 * waits for ever (`wedges`), and a read that ends inside a character is a decoding error
 * (`strictUtf8`). Without `wedges` it takes documents one after another and skips NULs.
 *
 * @implements {Reader}
 */
class BareReader {
  /** @type {Buffer[]} */
  #parts = []
  #outline = new Outline()
  #wedged = false
  #wedges
  #strictUtf8

  /** @param {{ wedges: boolean, strictUtf8: boolean }} switches */
  constructor({ wedges, strictUtf8 }) {
    this.#wedges = wedges
    this.#strictUtf8 = strictUtf8
  }

  /** @param {Buffer} chunk @returns {Document[]} */
  push(chunk) {
    /** @type {Document[]} */
    const documents = []
    for (let start = 0; start < chunk.length; start += RECV_BYTES) {
      const piece = chunk.subarray(start, start + RECV_BYTES)
      if (this.#strictUtf8 && !isUtf8(piece)) {
        return [...documents, { bytes: piece, problem: 'invalidUtf8' }]
      }
      if (this.#wedged) continue
      documents.push(...(this.#wedges ? this.#readWhole(piece) : this.#readEach(piece)))
    }
    return documents
  }

  /** @param {Buffer} piece @returns {Document[]} */
  #readWhole(piece) {
    this.#parts.push(piece)
    for (const byte of piece) {
      if (byte === NUL || (this.#outline.ended && !isSpace(byte))) return [this.#wedge()]
      this.#outline.step(byte)
    }
    if (!this.#outline.ended) return []
    const document = parse(this.#take())
    return [document.problem ? this.#wedge() : document]
  }

  /** @param {Buffer} piece @returns {Document[]} */
  #readEach(piece) {
    const documents = []
    let start = 0
    for (let at = 0; at < piece.length; at++) {
      if (piece[at] === NUL && !this.#outline.started) start = at + 1
      else this.#outline.step(piece[at])
      if (!this.#outline.ended) continue
      this.#parts.push(piece.subarray(start, at + 1))
      documents.push(parse(this.#take()))
      start = at + 1
    }
    if (start < piece.length) this.#parts.push(piece.subarray(start))
    return documents
  }

  #take() {
    const bytes = Buffer.concat(this.#parts)
    this.#parts = []
    this.#outline = new Outline()
    return bytes
  }

  /** @returns {Document} */
  #wedge() {
    this.#wedged = true
    return { bytes: this.#take(), problem: 'wedged' }
  }
}

/** @param {number} byte */
function isSpace(byte) {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/**
 * @typedef {object} Framing
 * @property {(switches: { wedges: boolean, strictUtf8: boolean }) => Reader} reader
 * @property {(text: string) => Buffer} wrap
 */

/** @type {Record<'bare' | 'newline' | 'nul', Framing>} */
const FRAMINGS = {
  bare: { reader: (switches) => new BareReader(switches), wrap: (text) => Buffer.from(text) },
  newline: {
    reader: () => new DelimitedReader(NEWLINE),
    wrap: (text) => Buffer.from(`${text}\n`),
  },
  nul: { reader: () => new DelimitedReader(NUL), wrap: (text) => Buffer.from(`${text}\0`) },
}

module.exports = { FRAMINGS }
