// @ts-check
'use strict'
// What the kernel keeps for all TCP sockets of the machine. It counts to no process, so not to its resident memory either.

const fs = require('node:fs')

const PAGE_KB = 4

/** @returns {number} KB of buffers, whole pages; 0 where the kernel does not tell */
function tcpBuffersKb() {
  try {
    const pages = /^TCP:.* mem (\d+)/m.exec(fs.readFileSync('/proc/net/sockstat', 'utf8'))?.[1]
    return Number(pages ?? 0) * PAGE_KB
  } catch {
    return 0
  }
}

module.exports = { tcpBuffersKb }
