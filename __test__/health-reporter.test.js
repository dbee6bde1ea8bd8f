'use strict'

// The reporter against pools that answer, fall sick, throw and hang. Time is jest's; what only a process
// can show, such as what keeps it alive, is shown by a process.

const { EventEmitter, once } = require('node:events')
const { HealthReporter, metricsOf, startHealthReporter } = require('../health')
const { runScript } = require('./support/child')
const { parse } = require('./support/exposition-parser')
const { poolFigures } = require('./support/figures-of-a-pool')
const { newPool, simulator } = require('./support/stage')

const MINUTE_MS = 60_000

/** A health report as a pool gives it. */
function health(status, reasons = []) {
  return {
    status,
    reasons,
    checkedAt: Date.now(),
    durationMs: 1,
    state: 'ready',
    endpoints: [],
    connections: [],
    stats: poolFigures(),
  }
}

/** A pool whose checks answer one after another as told, the last answer for ever. */
function poolSaying(...answers) {
  let asked = 0
  return {
    name: 'studio',
    state: 'ready',
    checkHealth: jest.fn(async () => {
      const answer = answers[Math.min(asked++, answers.length - 1)]
      return typeof answer === 'function' ? answer() : answer
    }),
  }
}

const never = () => new Promise(() => {})
const lost = () => {
  throw new Error('Blender connection lost')
}

function heard(reporter) {
  const events = []
  for (const event of ['report', 'unhealthy', 'recovered', 'failed']) {
    reporter.on(event, (payload) => events.push([event, payload]))
  }
  return events
}

const names = (events) => events.map(([event]) => event)

const reporters = []

function start(pool, options) {
  const reporter = startHealthReporter(pool, { intervalMs: MINUTE_MS, ...options })
  reporters.push(reporter)
  return reporter
}

beforeEach(() => jest.useFakeTimers())

// jest fails a test that leaves an unhandled rejection behind.
afterEach(() => {
  for (const reporter of reporters.splice(0)) reporter.stop()
  jest.useRealTimers()
})

const pass = (ms) => jest.advanceTimersByTimeAsync(ms)

test('the first report comes at once, the next every five minutes unless told otherwise', async () => {
  const pool = poolSaying(health('healthy'))
  const reporter = startHealthReporter(pool)
  reporters.push(reporter)
  await pass(0)
  expect(pool.checkHealth).toHaveBeenCalledTimes(1)
  await pass(299_999)
  expect(pool.checkHealth).toHaveBeenCalledTimes(1)
  await pass(1)
  expect(pool.checkHealth).toHaveBeenCalledTimes(2)
})

test('without immediate, the first report comes after the first interval', async () => {
  const pool = poolSaying(health('healthy'))
  start(pool, { immediate: false })
  await pass(MINUTE_MS - 1)
  expect(pool.checkHealth).not.toHaveBeenCalled()
  await pass(1)
  expect(pool.checkHealth).toHaveBeenCalledTimes(1)
})

test('every report has figures of its own moment, of the pool and of the process', async () => {
  const answers = [health('healthy'), health('degraded', ['one endpoint is down'])]
  const reports = []
  start(poolSaying(...answers), { onReport: (report) => reports.push(report) })
  await pass(MINUTE_MS)
  expect(reports.map(({ health: found }) => found)).toEqual(answers)
  expect(reports[1]).toMatchObject({ pool: 'studio', round: 2, at: reports[0].at + MINUTE_MS })
  for (const { uptimeMs, memory, durationMs } of reports) {
    expect(uptimeMs).toBeGreaterThan(0)
    expect(memory.rssBytes).toBeGreaterThan(memory.heapUsedBytes)
    expect(memory).toMatchObject({
      heapTotalBytes: expect.any(Number),
      externalBytes: expect.any(Number),
    })
    expect(durationMs).toBeGreaterThanOrEqual(0)
  }
})

test('unhealthy and recovered are told once for each change', async () => {
  const said = ['healthy', 'unhealthy', 'unhealthy', 'degraded', 'healthy', 'unhealthy']
  const reporter = start(poolSaying(...said.map((status) => health(status))))
  const events = heard(reporter)
  await pass(5 * MINUTE_MS)
  expect(names(events)).toEqual([
    'report',
    'report',
    'unhealthy',
    'report',
    'report',
    'recovered',
    'report',
    'report',
    'unhealthy',
  ])
  expect(events.find(([event]) => event === 'recovered')[1]).toMatchObject({
    unhealthyMs: 2 * MINUTE_MS,
    health: { status: 'degraded' },
  })
})

describe('a check that', () => {
  test.each([
    ['rejects', lost, 'Blender connection lost'],
    ['rejects with nothing', () => Promise.reject(), undefined],
    ['gives no report', () => undefined, 'gave no report'],
  ])('%s has failed, and the next round comes', async (_how, answer, message) => {
    const reporter = start(poolSaying(answer, answer, health('healthy'), answer))
    const events = heard(reporter)
    await pass(3 * MINUTE_MS)
    expect(names(events)).toEqual(['failed', 'failed', 'report', 'failed'])
    const failures = events.filter(([event]) => event === 'failed').map(([, payload]) => payload)
    expect(failures.map((failure) => failure.failures)).toEqual([1, 2, 3])
    expect(failures.map((failure) => failure.consecutiveFailures)).toEqual([1, 2, 1])
    if (message !== undefined) expect(failures[0].error.message).toContain(message)
    expect(reporter.stats()).toMatchObject({ rounds: 4, reports: 1, failures: 3 })
  })

  test('throws before it gives a promise has failed, too', async () => {
    const reporter = start({ name: 'studio', checkHealth: lost })
    const events = heard(reporter)
    await pass(MINUTE_MS)
    expect(names(events)).toEqual(['failed', 'failed'])
  })

  test('hangs has failed at its deadline; its late answer is not told', async () => {
    let answerLate
    const late = () => new Promise((resolve) => (answerLate = resolve))
    const reporter = start(poolSaying(late, health('healthy')), { timeoutMs: 5_000 })
    const events = heard(reporter)
    await pass(4_999)
    expect(events).toEqual([])
    await pass(1)
    expect(names(events)).toEqual(['failed'])
    expect(events[0][1].error).toMatchObject({ name: 'TimeoutError' })
    answerLate(health('unhealthy'))
    await pass(MINUTE_MS)
    expect(names(events)).toEqual(['failed', 'report'])
  })

  test('rejects after its deadline is no unhandled rejection', async () => {
    let rejectLate
    const late = () => new Promise((_resolve, reject) => (rejectLate = reject))
    start(poolSaying(late, health('healthy')), { timeoutMs: 5_000 })
    await pass(6_000)
    rejectLate(new Error('too late'))
    await pass(0)
  })

  test('is still running when the next is due makes that one wait for its turn', async () => {
    const pool = poolSaying(never)
    const reporter = start(pool, { timeoutMs: 3.5 * MINUTE_MS })
    await pass(3 * MINUTE_MS)
    expect(pool.checkHealth).toHaveBeenCalledTimes(1)
    expect(reporter.stats()).toMatchObject({ rounds: 1, skipped: 3 })
    await pass(MINUTE_MS)
    expect(pool.checkHealth).toHaveBeenCalledTimes(2)
  })
})

describe('a listener that', () => {
  let warnings
  beforeEach(() => {
    warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
  })
  afterEach(() => warnings.mockRestore())

  test.each([
    ['throws', lost],
    ['rejects', async () => lost()],
  ])('%s is warned about once, and stops neither the others nor the rounds', async (_how, listener) => {
    const reports = []
    const reporter = start(poolSaying(health('healthy')), { onReport: listener })
    reporter.on('report', (report) => reports.push(report))
    await pass(2 * MINUTE_MS)
    expect(reports).toHaveLength(3)
    expect(warnings).toHaveBeenCalledTimes(1)
    expect(warnings.mock.calls[0][1].detail).toContain('Blender connection lost')
  })

  test('never comes back holds up nothing', async () => {
    const pool = poolSaying(health('healthy'))
    start(pool, { onReport: never })
    await pass(2 * MINUTE_MS)
    expect(pool.checkHealth).toHaveBeenCalledTimes(3)
  })

  test('stops the reporter in the middle of a report hears no more', async () => {
    const pool = poolSaying(health('unhealthy'))
    const reporter = start(pool, { onReport: () => reporter.stop() })
    await pass(5 * MINUTE_MS)
    expect(pool.checkHealth).toHaveBeenCalledTimes(1)
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('stop()', () => {
  test('ends it for good, as often as it is called', async () => {
    const pool = poolSaying(health('healthy'))
    const reporter = start(pool)
    await pass(0)
    expect(reporter.running).toBe(true)
    reporter.stop()
    reporter.stop()
    expect(reporter.running).toBe(false)
    expect(jest.getTimerCount()).toBe(0)
    reporter.start()
    await pass(5 * MINUTE_MS)
    expect(pool.checkHealth).toHaveBeenCalledTimes(1)
  })

  test.each([
    ['a finding', () => health('unhealthy')],
    ['a failure', lost],
  ])('in the middle of a round keeps %s to itself', async (_what, answer) => {
    let goOn
    const gate = new Promise((resolve) => (goOn = resolve))
    const reporter = start(poolSaying(() => gate.then(answer)))
    const events = heard(reporter)
    await pass(0)
    const round = reporter.reportNow()
    reporter.stop()
    goOn()
    expect(await round).toBeNull()
    expect(events).toEqual([])
  })

  test('comes with an aborted signal, and leaves nothing on it', async () => {
    const controller = new AbortController()
    const removed = jest.spyOn(controller.signal, 'removeEventListener')
    const pool = poolSaying(health('healthy'))
    const reporter = start(pool, { signal: controller.signal })
    await pass(0)
    controller.abort()
    expect(reporter.running).toBe(false)
    const other = start(pool, { signal: controller.signal })
    expect(other.running).toBe(false)
    const stopped = start(pool, { signal: new AbortController().signal })
    stopped.stop()
    expect(removed).toHaveBeenCalledWith('abort', reporter.stop)
    await pass(MINUTE_MS)
    expect(pool.checkHealth).toHaveBeenCalledTimes(1 + 1)
  })

  test('comes by itself when the pool is closed', async () => {
    const pool = poolSaying(health('healthy'))
    const reporter = start(pool)
    await pass(0)
    pool.state = 'closed'
    await pass(MINUTE_MS)
    expect(reporter.running).toBe(false)
    expect(pool.checkHealth).toHaveBeenCalledTimes(1)
  })
})

describe('reportNow()', () => {
  test('reports outside the rhythm, and needs none', async () => {
    const answer = health('healthy')
    const reporter = new HealthReporter(poolSaying(answer, lost))
    expect(reporter.running).toBe(false)
    expect(reporter.last).toBeNull()
    const report = await reporter.reportNow()
    expect(report.health).toBe(answer)
    expect(reporter.last).toBe(report)
    expect(await reporter.reportNow()).toBeNull()
    expect(reporter.last).toBe(report)
  })

  test('joins the round under way', async () => {
    const pool = poolSaying(health('healthy'))
    const reporter = start(pool)
    const [first, second] = await Promise.all([reporter.reportNow(), reporter.reportNow()])
    expect(first).toBe(second)
    expect(pool.checkHealth).toHaveBeenCalledTimes(1)
  })
})

test.each([
  ['intervalMs', 0],
  ['intervalMs', '5'],
  ['timeoutMs', 2 ** 31],
  ['onReport', 'log'],
  ['signal', {}],
  ['ref', 1],
])('the option %s cannot be %j', (option, value) => {
  expect(() => startHealthReporter(poolSaying(), { [option]: value })).toThrow(
    expect.objectContaining({
      code: 'ERR_POOL_INVALID_OPTION',
      details: expect.objectContaining({ option }),
    }),
  )
})

test('an unknown option and a thing without health are refused', () => {
  expect(() => startHealthReporter(poolSaying(), { interval: 5 })).toThrow(/intervalMs/)
  expect(() => startHealthReporter(new EventEmitter())).toThrow(/checkHealth/)
  expect(() => startHealthReporter(null)).toThrow(/checkHealth/)
})

test('metrics are asked of a list of pools, and say so', () => {
  for (const wrong of [poolSaying(), undefined]) {
    expect(() => metricsOf(wrong)).toThrow(
      expect.objectContaining({
        code: 'ERR_POOL_INVALID_OPTION',
        message: expect.stringContaining('a list of pools'),
      }),
    )
  }
  expect(() => metricsOf([], start(poolSaying()))).toThrow(/list of health reporters/)
})

test('its figures stand beside its pool’s for a scraper', async () => {
  const pool = { ...poolSaying(health('degraded'), lost), stats: () => poolFigures() }
  const reporter = start(pool)
  await pass(MINUTE_MS)
  const families = parse(metricsOf([pool], [reporter]))
  const values = (name) =>
    families.get(name).samples.map(({ labels, value }) => [labels.status ?? labels.pool, value])
  expect(values('blender_pool_health_status')).toEqual([
    ['healthy', 0],
    ['degraded', 1],
    ['unhealthy', 0],
  ])
  expect(values('blender_pool_health_reports_total')).toEqual([['studio', 1]])
  expect(values('blender_pool_health_report_failures_total')).toEqual([['studio', 1]])
  expect(values('blender_pool_waiting')).toEqual([['studio', 5]])
})

describe('a process', () => {
  const script = (options) => `
    const { startHealthReporter } = require('blender-pool/health')
    const lost = { name: 'studio', checkHealth: async () => { throw new Error('Blender connection lost') } }
    let failed = 0
    const reporter = startHealthReporter(lost, { intervalMs: 5, ${options} })
    reporter.on('failed', ({ error }) => {
      if (++failed === 3) { report({ failed, message: error.message }); reporter.stop() }
    })`

  beforeEach(() => jest.useRealTimers())

  test('survives a check that fails every time, and ends when the reporter is stopped', async () => {
    const ended = await runScript(script('ref: true'))
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(ended.reports).toEqual([{ failed: 3, message: 'Blender connection lost' }])
  })

  test('is not held by a check that hangs', async () => {
    const ended = await runScript(`
      const hangs = { name: 'studio', checkHealth: () => new Promise(() => {}) }
      require('blender-pool/health').startHealthReporter(hangs)`)
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  })

  test('is not held by a reporter, unless it asks for that', async () => {
    const ended = await runScript(script('immediate: false'))
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '', reports: [] })
  })
})

test('a real pool is well, unhealthy while its Blender is gone, and well again', async () => {
  jest.useRealTimers()
  const blender = await simulator({ dialect: 'worker' })
  const pool = newPool({
    name: 'studio',
    endpoints: blender.address,
    dialect: 'worker',
    retryBackoffMs: 1,
    maxRetryBackoffMs: 5,
  })
  const reporter = start(pool, { intervalMs: 10 })
  const [first] = await once(reporter, 'report')
  expect(first).toMatchObject({ pool: 'studio', health: { status: 'healthy', reasons: [] } })
  expect(first.health.stats.endpoints).toHaveLength(1)

  const sick = once(reporter, 'unhealthy')
  await blender.kill()
  const [report] = await sick
  expect(report.health.reasons).not.toEqual([])
  expect(report.health.endpoints[0]).toMatchObject({ status: 'unhealthy' })

  const well = once(reporter, 'recovered')
  await blender.restart()
  const [recovered] = await well
  expect(recovered.unhealthyMs).toBeGreaterThan(0)
  expect(reporter.stats().failures).toBe(0)
})
