// @ts-check
'use strict'
// One scenario in the report: its verdict, figures, plots, race checks and what the pool told.

const { barChart, escaped, figure, lineChart, percentileChart, stackChart } = require('./chart')

/** @typedef {import('../play').Played} Played */

const LATENCIES = /** @type {const} */ ([
  { key: 'own', name: 'the pool’s own', color: 'blue' },
  { key: 'answer', name: 'from its turn on', color: 'green' },
  { key: 'total', name: 'whole call', color: 'grey' },
])

/** Checks that only the server's own record can settle. */
const AT_THE_SERVER = new Set(['serverSockets', 'ranOnce'])

/** From the bottom of the plot up. */
const STATES = /** @type {const} */ ([
  { key: 'inUse', name: 'in use', color: 'blue' },
  { key: 'idle', name: 'idle', color: 'sky' },
  { key: 'connecting', name: 'connecting', color: 'orange' },
  { key: 'unusable', name: 'unusable', color: 'violet' },
])

/** @param {number} ms */
const ms = (ms) => `${figure(Number(ms.toPrecision(3)))} <small>ms</small>`

/** @param {import('../verdict').Level | null} level @param {string} [size] @param {string} [more] */
function badge(level, size = '', more = '') {
  return `<span class="badge ${size} ${level ?? 'none'}">${level ?? 'not measured'}${more}</span>`
}

/** @param {Played} played */
function scenarioSection(played) {
  const { name, title, shows, verdict, mode, interrupted } = played
  const cut = interrupted ? ' <span class="soft">interrupted</span>' : ''
  return `<section class="card" id="${escaped(name)}">
<div class="head"><h2>${escaped(title)}</h2>${badge(verdict.level)}<span class="soft">${escaped(mode)}</span>${cut}</div>
<p class="lead">${escaped(shows)}</p>
${reasons(verdict.reasons)}
${figures(played)}
<div class="plots">
${plots(played)}
${checks(played)}
</div>
${notes(played)}
</section>`
}

/** @param {import('../verdict').Reason[]} found */
function reasons(found) {
  const rows = found.map(({ level, text, advice }) => {
    const told = advice ? `<span class="advice">${escaped(advice)}</span>` : ''
    return `<li class="${level}"><span class="what">${escaped(text)}</span>${told}</li>`
  })
  return rows.length === 0 ? '' : `<ul class="reasons">${rows.join('')}</ul>`
}

/** @param {Played} played */
function figures({ figures: all, pool, timed, maxConnections }) {
  const rows = [
    ['Operations', `${all.operations}`],
    ['Success', `${figure(all.successPercent)} <small>%</small>`],
    ['Timeouts', `${all.timeouts}`],
    ['Throughput', `${figure(all.operationsPerSecond)} <small>per s</small>`],
    ['The pool’s own', `${ms(all.ownMeanMs)}${timed ? '' : ' <small>(not judged)</small>'}`],
    ['Blender and holder', ms(all.outMeanMs)],
    ['Waited in line', ms(all.lineMeanMs)],
    ['Slow, > 100 ms', `${all.slow} <small>${all.verySlow} > 500 ms</small>`],
    ['Long waits, > 100 ms', `${all.longWaits}`],
    ['Pool exhausted', `${figure(all.exhaustedPercent)} <small>% of samples</small>`],
    ['Gave up on purpose', `${all.gaveUp}`],
    ['Opened', `${pool.opened} <small>at most ${maxConnections} at a time</small>`],
  ]
  const cells = rows.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`)
  return `<dl class="figures">${cells.join('')}</dl>`
}

/** @param {string} title @param {readonly { name: string, color: string }[]} legend @param {string} plot */
function plotOf(title, legend, plot) {
  const keys = legend.map(
    ({ name, color }) => `<span><i class="${color}"></i>${escaped(name)}</span>`,
  )
  return `<figure><figcaption><h3>${escaped(title)}</h3><span class="legend">${keys.join('')}</span></figcaption>${plot}</figure>`
}

/** @param {Played} played */
function plots({ figures: all, samples, maxConnections }) {
  const seconds = (/** @type {number} */ at) => at / 1000
  const shown = LATENCIES.map(({ key, name, color }) => ({ key, name, color }))
  const groups = all.buckets.own.map(({ name }, at) => ({
    name,
    values: shown.map(({ key }) => all.buckets[key][at].count),
  }))
  const rows = shown.map(({ key, name, color }) => {
    const { p50, p95, p99, max } = all.latency[key]
    const values = Object.entries({ p50, p95, p99, max }).map(([what, ms]) => ({ name: what, ms }))
    return { name, color, values }
  })
  const events = all.bursts.map(({ at, durationMs, count }) => ({
    from: seconds(at),
    to: seconds(at + durationMs),
    text: `a burst of ${count} errors`,
  }))
  const callers = [
    {
      name: 'waiting',
      color: 'orange',
      points: samples.map(
        ({ at, waiting }) => /** @type {[number, number]} */ ([seconds(at), waiting]),
      ),
    },
    {
      name: 'in use',
      color: 'blue',
      points: samples.map(
        ({ at, inUse }) => /** @type {[number, number]} */ ([seconds(at), inUse]),
      ),
    },
  ]
  const states = STATES.map(({ key, name, color }) => ({
    name,
    color,
    points: samples.map(
      (sample) => /** @type {[number, number]} */ ([seconds(sample.at), sample[key]]),
    ),
  }))
  const rate = [{ name: 'operations', color: 'green', points: throughput(samples) }]
  return [
    plotOf(
      'Latency, counted',
      shown,
      barChart(groups, shown, { title: 'Operations by latency', x: 'ms', y: 'operations' }),
    ),
    plotOf(
      'Latency, percentiles',
      [],
      percentileChart(rows, { title: 'Percentiles of the latency', x: 'ms, logarithmic', y: '' }),
    ),
    plotOf(
      'Throughput',
      [],
      lineChart(
        rate,
        { title: 'Operations per second over time', x: 'seconds', y: 'operations / s' },
        events,
      ),
    ),
    plotOf(
      'Callers',
      callers,
      lineChart(
        callers,
        { title: 'Callers waiting and connections in use over time', x: 'seconds', y: 'callers' },
        events,
      ),
    ),
    plotOf(
      'Connections by state',
      STATES,
      stackChart(
        states,
        { title: 'Connections by state over time', x: 'seconds', y: 'connections' },
        maxConnections,
      ),
    ),
  ].join('\n')
}

/** Operations per second, over some forty parts of the time. @param {import('../recorder').Sample[]} samples */
function throughput(samples) {
  const last = samples[samples.length - 1]?.at ?? 0
  /** @type {[number, number][]} */
  const points = []
  let from = samples[0]
  for (const to of samples) {
    const passed = to.at - from.at
    if (passed < last / 40) continue
    points.push([to.at / 1000, (1000 * (to.done - from.done)) / passed])
    from = to
  }
  return points
}

/** @param {Played} played */
function checks({ checks: all, interrupted, server }) {
  const rows = all.map(({ name, title, checked, failures, examples, unmade }) => {
    const level = failures > 0 ? 'bad' : checked > 0 ? 'good' : 'none'
    const often =
      failures > 0
        ? `${failures} of ${checked} failed`
        : checked > 0
          ? `${checked} ×`
          : unmade
            ? escaped(unmade)
            : interrupted
              ? 'not reached'
              : server === null && AT_THE_SERVER.has(name)
                ? 'only a simulator can be asked'
                : 'not in this scenario'
    const seen = examples.map((example) => `<code>${escaped(example)}</code>`).join('')
    return `<li class="${level}"><span class="what">${escaped(title)}</span> <span class="soft">${often}</span>${seen}</li>`
  })
  return `<figure><h3>Race checks</h3><ul class="checks">${rows.join('')}</ul></figure>`
}

/** @param {Played} played */
function notes({ notes: told, figures: { errors, bursts } }) {
  const rows = [
    ...Object.entries(errors).map(([code, count]) => ['', 'error', `${count} × ${code}`]),
    ...bursts.map(({ at, count, durationMs, codes }) => [
      `${(at / 1000).toFixed(2)} s`,
      'burst',
      `${count} errors within ${Math.round(durationMs)} ms: ${Object.keys(codes).join(', ')}`,
    ]),
    ...told.map(({ at, event, text, count }) => [
      `${(at / 1000).toFixed(2)} s`,
      event,
      count > 1 ? `${text} (${count} like this)` : text,
    ]),
  ]
  if (rows.length === 0) return ''
  const cells = rows.map(([at, what, text]) => {
    return `<tr><td>${at}</td><td style="text-align:left">${escaped(what)}</td><td style="text-align:left;white-space:normal">${escaped(text)}</td></tr>`
  })
  return `<h3 style="margin-top:20px">Events</h3><div class="wide"><table><tbody>${cells.join('')}</tbody></table></div>`
}

module.exports = { badge, ms, scenarioSection }
