// @ts-check
'use strict'
// What `blender-pool stress` can be told, as a table, and what is made of it.

const { ROWS } = require('./speech')
const { MODES } = require('./scenarios')

const DIALECTS = ['auto', ...Object.keys(ROWS)]

/** @type {import('../bin/command-line').Option[]} */
const OPTIONS = [
  { name: 'mode', kind: 'oneOf', values: MODES, fallback: 'all' },
  { name: 'endpoint', kind: 'texts', fallback: [] },
  { name: 'dialect', kind: 'oneOf', values: DIALECTS, fallback: 'auto' },
  { name: 'connections', kind: 'whole', least: 1, most: 256, fallback: 4 },
  { name: 'callers', kind: 'whole', least: 1, most: 10_000, fallback: 100 },
  { name: 'operations', kind: 'whole', least: 10, most: 100_000, fallback: 500 },
  { name: 'duration', kind: 'number', least: 0.1, most: 3600, fallback: 4 },
  { name: 'seed', kind: 'whole', least: 0, most: 0xffff_ffff },
  { name: 'report', kind: 'file', fallback: true },
  { name: 'json', kind: 'file', fallback: false },
  { name: 'quiet', kind: 'flag', fallback: false },
  { name: 'allow-remote', kind: 'flag', fallback: false },
]

const REPORT = 'blender-pool-stress.html'

const HELP = `Usage: npx blender-pool stress [options]

Puts a pool under load, watches every step of it, and gives a verdict: good, warning or bad. Without an
endpoint it starts a simulated Blender in a process of its own; a real one is only sent commands that
change nothing in it.

  --mode MODE          basic     one after another, concurrent, pool exhaustion, visible states
                       advanced  a mixed load over some seconds, monitored
                       detect    thundering herd, churn, bursts, contention, long operations, races
                       all       all of them (default)
  --endpoint ADDRESS   a Blender, as host:port; repeatable, all of one dialect
  --dialect NAME       what it speaks, default auto; or what the simulator is to speak, default worker
                       ${wrap(DIALECTS)}
  --connections N      the pool's maximum; default 4
  --callers N          at the same time; default 100
  --operations N       in each scenario; default 500, fewer where Blender is slow
  --duration SECONDS   of the monitored run; default 4
  --seed N             of everything that is left to chance; a new one each time
  --report FILE        where the report goes; default ${REPORT}
  --no-report          no report
  --json [FILE]        the whole result as JSON, to a file or else to stdout, with nothing beside it
  --quiet              no progress, only the verdict
  --allow-remote       endpoints on other machines; the add-ons run any code they are sent

Exit code: 0 good, 1 warning, 2 not understood, 3 bad, 4 could not be run, 130 interrupted (Ctrl-C).
`

/** @param {string[]} names */
function wrap(names) {
  const half = Math.ceil(names.length / 2)
  return [names.slice(0, half).join(', '), names.slice(half).join(', ')].join(
    `,\n${' '.repeat(23)}`,
  )
}

/**
 * @typedef {{ report: string | null, json: string | null, quiet: boolean }} Output `json`: `-` is stdout
 * @param {Record<string, any>} values as the table has them
 * @returns {{ settings: import('./session').Settings, output: Output }}
 */
function readSettings(values) {
  const settings = {
    mode: values.mode,
    endpoints: values.endpoint,
    dialect: values.dialect,
    connections: values.connections,
    callers: values.callers,
    operations: values.operations,
    durationMs: values.duration * 1000,
    seed: values.seed ?? Math.floor(Math.random() * 2 ** 32),
    allowRemote: values['allow-remote'],
  }
  const { report, json, quiet } = values
  return {
    settings,
    output: {
      report: report === true ? REPORT : report || null,
      json: json === true ? '-' : json || null,
      quiet,
    },
  }
}

module.exports = { HELP, OPTIONS, readSettings }
