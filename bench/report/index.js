// @ts-check
'use strict'
// The page: one HTML file that needs nothing else, no network and no script.

/** @param {import('..').Result} result @returns {string} */
function pageOf(result) {
  return `<!doctype html><title>blender-pool bench</title><pre>${JSON.stringify(result)}</pre>`
}

module.exports = { pageOf }
