#!/usr/bin/env node
'use strict'

/**
 * Finds, makes and starts a Blender, for the demo and the tests.
 *
 *     node scripts/blender-env.js find       what there is, as JSON; exit code 1 when nothing
 *     node scripts/blender-env.js make       the same, installing one where nothing is found
 *     node scripts/blender-env.js packages   the Debian packages that an installed one needs
 */

const { findBlender } = require('./blender/find.js')
const { PACKAGES } = require('./blender/packages.js')
const { startWorker } = require('./blender/worker.js')

async function main(command) {
  const log = (line) => console.error(`blender-env: ${line}`)
  if (command === 'packages') {
    console.log(PACKAGES.join(' '))
  } else if (command === 'find' || command === 'make') {
    const found = await findBlender({ make: command === 'make', log })
    console.log(JSON.stringify(found))
    process.exitCode = found ? 0 : 1
  } else {
    console.error('usage: node scripts/blender-env.js find|make|packages')
    process.exitCode = 2
  }
}

if (require.main === module) {
  main(process.argv[2]).catch((error) => {
    console.error(`blender-env: ${error.message}`)
    process.exitCode = 1
  })
}

module.exports = { findBlender, startWorker }
