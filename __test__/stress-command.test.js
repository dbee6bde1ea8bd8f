'use strict'

// `npx blender-pool stress` from outside: what it takes, what it refuses, what it prints and where, and how it ends.

const { existsSync, readFileSync } = require('node:fs')
const { join } = require('node:path')
const { arena } = require('./support/arena')
const { commandLine } = require('./support/stress-command')
const { version } = require('../package.json')

const { simulator } = arena()
const { command, folder } = commandLine()

/** Small enough for a test, and without a word about times: this machine may be busy. */
const SMALL = ['--operations', '20', '--callers', '10', '--duration', '0.3', '--seed', '1']
const BESIDE_TIMES = ({ about }) => about !== 'own' && about !== 'late'

const inFolder = (name) => readFileSync(join(folder, name), 'utf8')

test.each([
  ['a command that does not exist', ['stres'], 'There is no command stres. Did you mean stress?'],
  [
    'an option that does not exist',
    ['stress', '--mdoe', 'all'],
    'There is no option --mdoe. Did you mean --mode?',
  ],
  ['an option before the command', ['--modes'], 'There is no option --modes.'],
  [
    'a mode without its option',
    ['stress', 'basic'],
    'basic is not an option. Did you mean --mode basic?',
  ],
  [
    'a dialect without its option',
    ['stress', 'blender-mpc'],
    'blender-mpc is not an option. Did you mean --dialect blender-mcp?',
  ],
  [
    'an option without its dashes',
    ['stress', 'operatoins'],
    'operatoins is not an option. Did you mean --operations?',
  ],
  ['a word that is like none', ['stress', 'somewhere.else'], 'somewhere.else is not an option.\n'],
  ['a mode that does not exist', ['stress', '--mode', 'detct'], 'not detct. Did you mean detect?'],
  ['a mode that is missing', ['stress', '--mode'], '--mode needs a value.'],
  ['an option where a value should be', ['stress', '--mode', '--quiet'], '--mode needs a value.'],
  [
    'a number out of range',
    ['stress', '--callers', '0'],
    '--callers must be a whole number from 1 to 10000, not 0.',
  ],
  [
    'a negative number',
    ['stress', '--seed', '-1'],
    '--seed must be a whole number from 0 to 4294967295, not -1.',
  ],
  ['half a connection', ['stress', '--connections=1.5'], '--connections must be a whole number'],
  ['a value for a switch', ['stress', '--quiet=yes'], '--quiet takes no value.'],
  [
    'a negation that makes no sense',
    ['stress', '--no-mode'],
    'There is no option --no-mode. Did you mean --mode?',
  ],
  ['an unknown dialect', ['stress', '--dialect', 'blendermcp'], 'Did you mean blender-mcp?'],
])('%s is told, and ends with 2', async (_what, args, told) => {
  const { code, stdout, stderr } = await command(args)
  expect(stderr).toContain(told)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
})

test('help and version are told on stdout', async () => {
  const [help, stress, told] = await Promise.all([
    command(['--help']),
    command(['stress', '--mode', 'all', '--help']),
    command(['--version']),
  ])
  expect([help.code, stress.code, told.code]).toEqual([0, 0, 0])
  expect(help.stdout).toContain('stress')
  for (const { name } of require('../stress').options) expect(stress.stdout).toContain(`--${name}`)
  expect(told.stdout).toBe(`${version}\n`)
})

test('what cannot be run is told with what to do, and ends with 4', async () => {
  const [nobody, nowhere] = await Promise.all([
    command(['stress', '--endpoint', '127.0.0.1:1']),
    command(['stress', '--report', join(folder, 'missing', 'report.html')]),
  ])
  expect([nobody.code, nowhere.code]).toEqual([4, 4])
  expect(nobody.stderr).toContain('ERR_POOL_CONNECT')
  expect(nobody.stderr).toContain('Nothing listens there.')
  expect(nowhere.stderr).toContain('--no-report')
})

test('an endpoint that is none, or not allowed, is told and ends with 2', async () => {
  const [none, remote] = await Promise.all([
    command(['stress', '--endpoint', 'http://127.0.0.1:9876']),
    command(['stress', '--endpoint', 'example.com:9876']),
  ])
  expect([none.code, remote.code]).toEqual([2, 2])
  expect(none.stderr).toContain('--endpoint "http://127.0.0.1:9876"')
  expect(remote.stderr).toContain('Add --allow-remote')
})

describe('a run of every scenario against the bundled simulator', () => {
  let ran
  let result

  beforeAll(async () => {
    ran = await command(['stress', ...SMALL, '--json'])
    result = JSON.parse(ran.stdout)
  })

  test('finds nothing wrong with the pool', () => {
    const wrong = result.scenarios.flatMap(({ name, verdict: { reasons } }) =>
      reasons
        .filter(BESIDE_TIMES)
        .filter(({ level }) => level !== 'good')
        .map((one) => [name, one]),
    )
    expect(wrong).toEqual([])
    expect(result.scenarios).toHaveLength(11)
    for (const { name, figures } of result.scenarios) {
      expect([name, figures.operations > 0, figures.successPercent]).toEqual([name, true, 100])
    }
  })

  test('makes every race check somewhere, in every scenario those of the pool itself', () => {
    for (const { name, checks } of result.scenarios) {
      const looked = checks.filter(({ checked }) => checked > 0).map((check) => check.name)
      const always = ['oneHolder', 'withinMax', 'serverSockets', 'settledOnce', 'statesAgree']
      expect([name, looked]).toEqual([
        name,
        expect.arrayContaining([...always, 'noSlotLost', 'totals', 'noUnhandled']),
      ])
    }
    const everywhere = result.scenarios.flatMap(({ checks }) =>
      checks.filter(({ checked }) => checked > 0).map(({ name }) => name),
    )
    expect(new Set(everywhere).size).toBe(11)
  })

  test('ends as the verdict says, the worst of all', () => {
    const levels = result.scenarios.map(({ verdict }) => verdict.level)
    const worst = ['bad', 'warning', 'good'].find((level) => levels.includes(level))
    expect(result.verdict).toBe(worst)
    expect(ran.code).toBe({ good: 0, warning: 1, bad: 3 }[worst])
    expect(result.exitCode).toBe(ran.code)
  })

  test('has nothing but JSON on stdout, and its progress on stderr', () => {
    expect(ran.stdout.trim().split('\n')).toHaveLength(1)
    expect(ran.stderr).toContain('[1/11] One after another')
    expect(result).toMatchObject({ version, settings: { mode: 'all', seed: 1, connections: 4 } })
  })

  test('leaves a report that needs nothing else', () => {
    const report = inFolder('blender-pool-stress.html')
    expect(report).not.toMatch(/<script|<link|<img|https?:|url\(|@import/)
    const links = [...report.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id)
    expect(links).toContain('columns')
    for (const id of links) expect(report.split(`id="${id}"`)).toHaveLength(2)
    for (const { title } of result.scenarios) expect(report).toContain(`<h2>${title}</h2>`)
    expect(report.match(/<svg /g)).toHaveLength(5 * result.scenarios.length)
    expect(report).not.toMatch(/NaN|Infinity|undefined|\[object/)
    for (const tag of ['div', 'section', 'svg', 'ul', 'li', 'dl', 'table', 'figure', 'path']) {
      const opened = report.match(new RegExp(`<${tag}[ >](?![^>]*/>)`, 'g')) ?? []
      const closed = report.match(new RegExp(`</${tag}>`, 'g')) ?? []
      expect([tag, opened.length]).toEqual([tag, closed.length])
    }
  })
})

test('against a Blender that breaks off it is bad, ends with 3, and names bursts and codes', async () => {
  const server = await simulator({ dialect: 'worker', beatMs: 1 })
  // What finds out how to talk to it is let through.
  server.setFaults({ command: 'execute_code', skip: 30, reset: 'afterRun' })
  const endpoint = ['--endpoint', server.address]
  const files = ['--no-report', '--json', 'bad.json', '--quiet']
  const { code, stdout, stderr } = await command([
    'stress',
    '--mode',
    'basic',
    ...endpoint,
    ...SMALL,
    ...files,
  ])
  expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: 'Verdict: bad.\n', stderr: '' })
  const { verdict, endpoint: against, scenarios } = JSON.parse(inFolder('bad.json'))
  expect([verdict, against.kind]).toEqual(['bad', 'given'])
  const [first] = scenarios
  expect(first.figures.errors).toMatchObject({ ERR_POOL_CONNECTION_LOST: expect.any(Number) })
  expect(first.verdict.reasons.map(({ about }) => about)).toContain('burst')
  // Blender is at fault there, and the pool is not.
  for (const { checks } of scenarios)
    expect(checks.filter(({ failures }) => failures > 0)).toEqual([])
})

test('Ctrl-C ends it in order: what was measured is told, and nothing is left behind', async () => {
  const { code, signal, stdout } = await command(
    [
      'stress',
      '--mode',
      'advanced',
      '--duration',
      '600',
      '--json',
      '--report',
      'cut.html',
      '--seed',
      '1',
    ],
    {
      onStderr: (text, child) => {
        if (text.includes('[1/1]') && !text.includes('Interrupted')) child.kill('SIGINT')
      },
    },
  )
  expect({ code, signal }).toEqual({ code: 130, signal: null })
  const { interrupted, exitCode, scenarios } = JSON.parse(stdout)
  expect({ interrupted, exitCode }).toEqual({ interrupted: true, exitCode: 130 })
  expect(scenarios.map(({ name, interrupted: cut }) => [name, cut])).toEqual([['monitored', true]])
  expect(scenarios[0].figures).toMatchObject({ failed: 0, timeouts: 0 })
  expect(existsSync(join(folder, 'cut.html'))).toBe(true)
})
