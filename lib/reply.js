// @ts-check
'use strict'
// A reply, brought from its dialect's form into the one that callers see. The dialect's row says how.

/**
 * @typedef {object} Reply
 * @property {boolean} success
 * @property {'success' | 'error'} status
 * @property {any} [result]
 * @property {string} [message]
 */

/**
 * @param {any} value
 * @param {string[]} path
 */
function at(value, path) {
  for (const field of path) value = value?.[field]
  return value
}

/**
 * @param {string | Buffer} document one JSON object
 * @param {import('./tables').DialectRow} dialect
 * @returns {Reply & Record<string, any>}
 * @throws {SyntaxError} it is not JSON
 */
function readReply(document, dialect) {
  const fields = JSON.parse(typeof document === 'string' ? document : document.toString('utf8'))
  const { ok, result, message, extras } = dialect.reply
  const success = fields[ok.field] === ok.equals
  /** @type {Reply & Record<string, any>} */
  const reply = { success, status: success ? 'success' : 'error' }
  if (fields[result] !== undefined) reply.result = fields[result]
  const said = at(fields, message)
  if (said != null) reply.message = typeof said === 'string' ? said : JSON.stringify(said)
  for (const extra of extras) {
    if (fields[extra] !== undefined) reply[extra] = fields[extra]
  }
  return reply
}

module.exports = { readReply }
