// @ts-check
'use strict'
// The report: one HTML file that needs nothing else, no network and no script.

const { escaped, figure } = require('./chart')
const { badge, scenarioSection } = require('./scenario')
const { STYLE } = require('./style')

/** @typedef {import('../session').Result} Result */

const SENTENCES = {
  good: 'Nothing was lost, mixed up or late: the pool bears this load.',
  warning: 'The pool bears this load, but not without trouble; see the scenarios that are marked.',
  bad: 'Something is wrong; see the scenarios that are marked.',
}

/** Of a run that was not played to its end, which says nothing of the whole load. */
const SO_FAR = {
  good: 'Nothing was wrong in what was played to its end, which was not everything.',
  warning: 'There was trouble in what was played; see the scenarios that are marked.',
  bad: SENTENCES.bad,
  none: 'No scenario was played to its end.',
}

/** @param {Result} result */
function sentence({ verdict, ended, away }) {
  if (ended === null) return verdict === null ? SO_FAR.none : SENTENCES[verdict]
  const why = away ?? `The run was ${ended}.`
  return `${SO_FAR[verdict ?? 'none']} ${escaped(why)}`
}

/** @param {Result} result @returns {string} */
function reportOf(result) {
  const { verdict, scenarios, ended } = result
  const soFar = ended !== null && verdict !== null && verdict !== 'bad' ? ' so far' : ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>blender-pool stress: ${verdict ? `${verdict}${soFar}` : 'not measured'}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header class="card">
<div class="head"><h1>blender-pool stress</h1>${badge(verdict, 'big', soFar)}</div>
<p class="lead">${sentence(result)}</p>
${standsOut(result)}
${facts(result)}
</header>
<section class="card">
<h2>All scenarios</h2>
<p class="lead"><a href="#columns">What do these columns mean?</a></p>
${overview(result)}
</section>
${scenarios.map(scenarioSection).join('\n')}
<footer id="columns">
<p><b>Three times for each operation.</b> The <i>whole call</i> is what its caller waited. Part of that is the line:
callers who ask for more than there is have to wait, and that says something about the load, not about the pool. What is
left counts <i>from its turn on</i>, which comes when a place falls free in an ideal line beside the pool. From that,
what Blender and the holder of a connection had is taken off; the rest is <i>the pool’s own</i>, and that is what the
verdict is about.</p>
<p><b>Good</b> is: more than 99 % succeeded, less than 1 % timed out, and the pool’s own share is below 10 ms on
average. Below 95 %, above 5 % or above 50 ms is <b>bad</b>, and so is any race check that failed; anything between, a
burst of errors, or more than 10 % of the operations that lost over 50 ms to the pool, is a <b>warning</b>.</p>
</footer>
</main>
</body>
</html>
`
}

/** The first thing wrong with each scenario that is not good. @param {Result} result */
function standsOut({ scenarios }) {
  const rows = scenarios.flatMap(({ name, title, verdict: { level, reasons } }) => {
    const first = reasons.find((reason) => reason.level === level)
    if (level === 'good' || level === null || first === undefined) return []
    return `<li class="${level}"><a href="#${escaped(name)}">${escaped(title)}</a>: ${escaped(first.text)}</li>`
  })
  return rows.length === 0 ? '' : `<ul class="reasons top">${rows.join('')}</ul>`
}

/** @param {Result} result */
function facts({ version, startedAt, durationMs, machine, settings, endpoint }) {
  const { cpus, cpu, node, platform, load } = machine
  const { mode, connections, callers, operations, asked, durationMs: monitored, seed } = settings
  const fewer = operations < asked ? ` (${asked} were asked for; this Blender is slow)` : ''
  const rows = [
    ['Against', `${endpoint.title}`],
    [
      'Dialect',
      `${endpoint.dialect}, a plain command takes ${figure(Number(endpoint.plainMs.toPrecision(2)))} ms`,
    ],
    ['Machine', `${cpus} × ${cpu || 'CPU'}, ${platform}, load ${load.toFixed(1)}`],
    ['Versions', `blender-pool ${version}, Node ${node}`],
    [
      'Options',
      `mode ${mode}, ${connections} connections, ${callers} callers, ${operations} operations${fewer}, ${monitored / 1000} s monitored`,
    ],
    ['Seed', `${seed}`],
    [
      'Started',
      `${startedAt.replace('T', ' ').replace(/\..*/, ' UTC')}, took ${(durationMs / 1000).toFixed(1)} s`,
    ],
  ]
  const cells = rows.map(([name, value]) => `<div><dt>${name}</dt><dd>${escaped(value)}</dd></div>`)
  return `<dl class="facts">${cells.join('')}</dl>`
}

/** @param {Result} result */
function overview({ scenarios }) {
  const rows = scenarios.map(({ name, title, verdict, figures, checks, timed }) => {
    const looked = checks.filter(({ checked }) => checked > 0)
    const kept = looked.filter(({ failures }) => failures === 0)
    const {
      operations,
      successPercent,
      operationsPerSecond,
      ownMeanMs,
      outMeanMs,
      lineMeanMs,
      latency,
    } = figures
    const ms = (/** @type {number} */ value) => figure(Number(value.toPrecision(3)))
    return `<tr><td><a href="#${escaped(name)}">${escaped(title)}</a></td><td>${badge(verdict.level)}</td>
<td>${operations}</td><td>${figure(successPercent)}</td><td>${Math.round(operationsPerSecond)}</td>
<td${timed ? '' : ' class="soft" title="not judged"'}>${ms(ownMeanMs)}</td><td>${ms(outMeanMs)}</td><td>${ms(lineMeanMs)}</td>
<td>${ms(latency.answer.p50)}</td><td>${ms(latency.answer.p99)}</td><td>${kept.length} / ${looked.length}</td></tr>`
  })
  return `<div class="wide"><table>
<thead><tr><th>scenario</th><th>verdict</th><th>operations</th><th>success<br>%</th><th>per<br>second</th>
<th>the pool’s own<br>mean ms</th><th>Blender, holder<br>mean ms</th><th>in line<br>mean ms</th><th>from its turn<br>p50 ms</th><th>from its turn<br>p99 ms</th><th>race<br>checks</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`
}

module.exports = { reportOf }
