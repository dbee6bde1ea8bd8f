// @ts-check
'use strict'
// Metrics as text: the Prometheus exposition format, version 0.0.4. It knows the format and no metric.
// https://prometheus.io/docs/instrumenting/exposition_formats

/**
 * One line. `suffix` is `_count` or `_sum` in a summary, else empty; a value that is not known (null or
 * undefined) makes no line.
 * @typedef {object} Sample
 * @property {string} [suffix]
 * @property {Readonly<Record<string, string>>} labels
 * @property {number | null | undefined} value
 */

/**
 * All lines of one name. They stand together, under one HELP and one TYPE.
 * @typedef {object} Family
 * @property {string} name
 * @property {'gauge' | 'counter' | 'summary'} type
 * @property {string} help
 * @property {Sample[]} samples
 */

/** @type {Record<string, string>} */
const ESCAPES = { '\\': '\\\\', '\n': '\\n', '"': '\\"' }

/** @param {string} text */
function escapeHelp(text) {
  return text.replace(/[\\\n]/g, (found) => ESCAPES[found])
}

/** @param {string} text */
function escapeLabel(text) {
  return text.replace(/[\\\n"]/g, (found) => ESCAPES[found])
}

/** @param {number} value */
function number(value) {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}

/**
 * @param {string} name
 * @param {Sample} sample its value known
 */
function line(name, { suffix = '', labels, value }) {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
  return `${name}${suffix}{${pairs.join(',')}} ${number(Number(value))}\n`
}

/**
 * @param {Iterable<Family>} families each name once
 * @returns {string}
 */
function exposition(families) {
  let text = ''
  for (const { name, type, help, samples } of families) {
    const known = samples.filter(({ value }) => value != null)
    if (known.length === 0) continue
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`
    for (const sample of known) text += line(name, sample)
  }
  return text
}

module.exports = { exposition }
