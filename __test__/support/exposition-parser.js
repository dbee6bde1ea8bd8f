'use strict'

// A strict reader of the Prometheus text format 0.0.4: it takes no line that a scraper might refuse, and
// undoes the escapes.

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*/y
const TYPES = ['counter', 'gauge', 'summary', 'histogram', 'untyped']

function reader(line) {
  let at = 0
  return {
    get done() {
      return at === line.length
    },
    match(pattern, what) {
      pattern.lastIndex = at
      const found = pattern.exec(line)
      if (found === null) throw new Error(`no ${what} at ${at} of: ${line}`)
      at = pattern.lastIndex
      return found[0]
    },
    take(text) {
      if (!line.startsWith(text, at)) throw new Error(`no '${text}' at ${at} of: ${line}`)
      at += text.length
    },
    has: (text) => line.startsWith(text, at),
  }
}

function readLabels(read) {
  const labels = {}
  read.take('{')
  while (!read.has('}')) {
    const name = read.match(LABEL, 'label')
    if (Object.hasOwn(labels, name)) throw new Error(`the label ${name} comes twice`)
    read.take('="')
    const raw = read.match(/(?:[^\\"\n]|\\[\\"n])*/y, 'label value')
    labels[name] = raw.replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped))
    read.take('"')
    if (!read.has('}')) read.take(',')
  }
  read.take('}')
  return labels
}

function readValue(text) {
  if (text === 'NaN') return Number.NaN
  if (text === '+Inf' || text === '-Inf') return text === '+Inf' ? Infinity : -Infinity
  const value = Number(text)
  if (text === '' || Number.isNaN(value)) throw new Error(`${text} is no number`)
  return value
}

/** The name that HELP and TYPE of a sample's name stand under. */
function familyOf(name, type) {
  return type === 'summary' ? name.replace(/_(count|sum)$/, '') : name
}

/**
 * @param {string} text
 * @returns {Map<string, { type: string, help: string, samples: { name: string, labels: object, value: number }[] }>}
 */
function parse(text) {
  if (!text.endsWith('\n')) throw new Error('the last line is not ended')
  const families = new Map()
  const series = new Set()
  let current = null
  let help = null
  for (const line of text.slice(0, -1).split('\n')) {
    const read = reader(line)
    if (line.startsWith('# HELP ')) {
      read.take('# HELP ')
      const name = read.match(NAME, 'name')
      read.take(' ')
      if (families.has(name)) throw new Error(`${name} comes twice`)
      help = { name, text: read.match(/(?:[^\\\n]|\\[\\n])+/y, 'help') }
    } else if (line.startsWith('# TYPE ')) {
      read.take('# TYPE ')
      const name = read.match(NAME, 'name')
      if (help?.name !== name) throw new Error(`${name} has a TYPE without a HELP`)
      read.take(' ')
      const type = read.match(/\w+/y, 'type')
      if (!TYPES.includes(type)) throw new Error(`${type} is no type`)
      current = { name, type, help: help.text, samples: [] }
      families.set(name, current)
      help = null
    } else {
      const name = read.match(NAME, 'name')
      if (current === null || familyOf(name, current.type) !== current.name || help !== null) {
        throw new Error(`${name} stands under another name`)
      }
      const labels = read.has('{') ? readLabels(read) : {}
      read.take(' ')
      const value = readValue(read.match(/\S+/y, 'value'))
      const key = JSON.stringify([name, Object.entries(labels).sort()])
      if (series.has(key)) throw new Error(`${key} comes twice`)
      series.add(key)
      current.samples.push({ name, labels, value })
    }
    if (!read.done) throw new Error(`more than a line holds: ${line}`)
  }
  return families
}

module.exports = { parse }
