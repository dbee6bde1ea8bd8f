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

/** @typedef {{ wedges: boolean, strictUtf8: boolean, decodesBytes?: number }} Reading */

const NEWLINE = 0x0a
const NUL = 0x00
const PREFIX_BYTES = 4

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

/**
 * Documents with a delimiter behind each. An add-on that decodes each read by itself (`decodesBytes`,
 * with `strictUtf8`) fails at a read that ends inside a character.
 *
 * @implements {Reader}
 */
class DelimitedReader {
  /** @type {Buffer[]} */
  #parts = []
  #delimiter
  #decodesBytes

  /** @param {number} delimiter @param {Partial<Reading>} [reading] */
  constructor(delimiter, { strictUtf8 = false, decodesBytes = 0 } = {}) {
    this.#delimiter = delimiter
    this.#decodesBytes = strictUtf8 ? decodesBytes : 0
  }

  /** @param {Buffer} chunk @returns {Document[]} */
  push(chunk) {
    if (this.#decodesBytes === 0) return this.#divide(chunk)
    /** @type {Document[]} */
    const documents = []
    for (let start = 0; start < chunk.length; start += this.#decodesBytes) {
      const piece = chunk.subarray(start, start + this.#decodesBytes)
      if (!isUtf8(piece)) return [...documents, { bytes: piece, problem: 'invalidUtf8' }]
      documents.push(...this.#divide(piece))
    }
    return documents
  }

  /** @param {Buffer} chunk @returns {Document[]} */
  #divide(chunk) {
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

/**
 * Documents with their length in front of each: four bytes, big-endian. Whatever the length, it waits
 * for so many bytes, as the add-ons do.
 *
 * @implements {Reader}
 */
class PrefixedReader {
  /** @type {Buffer[]} */
  #parts = []
  #have = 0
  /** @type {number | undefined} of the document that is being read */
  #length

  /** @param {Buffer} chunk @returns {Document[]} */
  push(chunk) {
    this.#parts.push(chunk)
    this.#have += chunk.length
    /** @type {Document[]} */
    const documents = []
    for (;;) {
      this.#length ??= this.#take(PREFIX_BYTES)?.readUInt32BE(0)
      const bytes = this.#length === undefined ? undefined : this.#take(this.#length)
      if (!bytes) return documents
      this.#length = undefined
      documents.push(parse(bytes))
    }
  }

  /** So many bytes from the front, once they are here. @param {number} size */
  #take(size) {
    if (this.#have < size) return undefined
    const bytes = Buffer.concat(this.#parts)
    this.#parts = size < bytes.length ? [bytes.subarray(size)] : []
    this.#have -= size
    return bytes.subarray(0, size)
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

  /** @param {Reading} reading */
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
 * @property {(reading: Reading) => Reader} reader
 * @property {(text: string) => Buffer} wrap
 */

/** @type {Record<'bare' | 'newline' | 'nul' | 'length', Framing>} */
const FRAMINGS = {
  bare: { reader: (reading) => new BareReader(reading), wrap: (text) => Buffer.from(text) },
  newline: {
    reader: (reading) => new DelimitedReader(NEWLINE, reading),
    wrap: (text) => Buffer.from(`${text}\n`),
  },
  nul: { reader: () => new DelimitedReader(NUL), wrap: (text) => Buffer.from(`${text}\0`) },
  length: {
    reader: () => new PrefixedReader(),
    wrap(text) {
      const frame = Buffer.alloc(PREFIX_BYTES + Buffer.byteLength(text))
      frame.writeUInt32BE(frame.length - PREFIX_BYTES, 0)
      frame.write(text, PREFIX_BYTES)
      return frame
    },
  },
}

module.exports = { FRAMINGS }
