// @ts-check
'use strict'
// The command line of the benchmarks.

const path = require('node:path')
const { parseArgs } = require('node:util')

const RESULTS = path.join(__dirname, 'results')

const HELP = `node bench [row ...] [options]     (npm run bench -- [row ...] [options])

Measures blender-pool beside its peers, in the same run on the same machine. Without rows: all.

  --full        the long form: more rounds of more work
  --json FILE   default: bench/results/report.json
  --html FILE   default: bench/results/report.html
  --docs        write the table into docs/performance.md; of every row
  --list        name the rows and measure nothing
  --help`

/**
 * @param {string[]} args
 * @param {import('./scenarios').Scenario[]} known
 */
function readOptions(args, known) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      full: { type: 'boolean', default: false },
      json: { type: 'string', default: path.join(RESULTS, 'report.json') },
      html: { type: 'string', default: path.join(RESULTS, 'report.html') },
      docs: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const asked = positionals.map((word) => {
    const scenario = known.find(({ number }) => String(number) === word)
    if (scenario !== undefined) return scenario
    throw new RangeError(
      `There is no row ${word}. There are ${known.map(({ number }) => number).join(', ')}.`,
    )
  })
  if (values.docs && asked.length > 0) throw new RangeError('--docs is of every row: name none.')
  return {
    ...values,
    rows: asked.length === 0 ? known : known.filter((one) => asked.includes(one)),
  }
}

module.exports = { HELP, readOptions }
