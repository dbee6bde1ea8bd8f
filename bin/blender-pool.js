#!/usr/bin/env node
// @ts-check
'use strict'
// The command `blender-pool`: finds the subcommand that is meant and runs it. What a subcommand takes stands
// in its own table; a wrong word ends with exit code 2 and says which one was probably meant.

const { didYouMean } = require('../lib/nearest')
const { version } = require('../package.json')
const { UsageError, readOptions } = require('./command-line')

/**
 * @typedef {object} Subcommand
 * @property {string} help
 * @property {import('./command-line').Option[]} options
 * @property {(values: Record<string, any>) => Promise<number>} run gives the exit code; throws a UsageError
 *   for values that do not go together
 */

/** @type {Record<string, { about: string, load: () => Subcommand }>} */
const SUBCOMMANDS = {
  stress: {
    about: 'puts a pool under load and tells how it bears it',
    load: () => require('../stress'),
  },
}

const HELP = `Usage: npx blender-pool <command> [options]

${Object.entries(SUBCOMMANDS)
  .map(([name, { about }]) => `  ${name.padEnd(10)}${about}`)
  .join('\n')}

  --help      this text; after a command, what it takes
  --version   the version of the package
`

/** @param {string[]} args @returns {Promise<number>} the exit code */
async function main([word, ...rest]) {
  if (word === undefined || word === '--help' || word === '-h' || word === 'help') {
    process.stdout.write(HELP)
    return word === undefined ? 2 : 0
  }
  if (word === '--version' || word === '-v') {
    process.stdout.write(`${version}\n`)
    return 0
  }
  if (!Object.hasOwn(SUBCOMMANDS, word)) {
    const known = [...Object.keys(SUBCOMMANDS), '--help', '--version']
    const what = word.startsWith('-') ? 'option' : 'command'
    throw new UsageError(`There is no ${what} ${word}.${didYouMean(word, known)}`)
  }
  const { help, options, run } = SUBCOMMANDS[word].load()
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(help)
    return 0
  }
  return run(readOptions(rest, options))
}

// Whoever read this may have seen enough.
process.stdout.on('error', () => {})

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error) => {
    const usage = error instanceof UsageError || error.code === 'ERR_POOL_INVALID_OPTION'
    process.exitCode = usage ? 2 : 4
    process.stderr.write(`${error.message}${error.code ? ` (${error.code})` : ''}\n`)
    if (error.advice) process.stderr.write(`${error.advice}\n`)
    if (usage) process.stderr.write('See blender-pool --help, or blender-pool stress --help.\n')
  },
)
