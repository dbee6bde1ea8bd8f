// @ts-check
'use strict'
// The page: one HTML file that needs nothing else, no network and no script. Its look is that of the stress report.

const { escaped } = require('../../stress/report/chart')
const { STYLE } = require('../../stress/report/style')
const { summary } = require('../run/table')
const { rowSection } = require('./row')
const { OWN_STYLE } = require('./style')

/** @typedef {import('..').Result} Result */

const LEGEND = `<ul class="keys">
<li><i class="blue"></i><b>blender-pool</b> as it comes; it is this one that is judged</li>
<li><i class="sky"></i>blender-pool in another form or setting, shown beside it</li>
<li><i class="grey"></i>a peer: another package that does the same</li>
<li><i class="pale"></i>a reference: shown for scale, compared with nothing</li>
<li><i class="dash"></i>to reach: where the bar of blender-pool may end at most (at least, where more is better)</li>
<li><i class="whisker"></i>where the rounds lie, from the 10th to the 90th percentile; the bar ends at their median</li>
</ul>
<p class="lead">A short bar is a good one unless the title says that more is better. “0.5 ×” is half of what the best peer
of that size takes, measured in the same run. In a plot of growth each line is one contestant; the figure in brackets is
the power of the size with which it grows: 0 is the same at every size, 1 is twice as much for twice the size.</p>`

/** @param {Result} result @returns {string} */
function pageOf(result) {
  const { rows, missing, broken } = result
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>blender-pool beside its peers</title>
<style>${STYLE}${OWN_STYLE}</style>
</head>
<body>
<main>
<header class="card">
<div class="head"><h1>blender-pool beside its peers</h1></div>
<p class="lead">${lead(result)}</p>
${facts(result)}
</header>
<section class="card">
<h2>What is to be reached, and what is</h2>
${overview(rows)}
</section>
<section class="card">
<h2>How to read the plots</h2>
${LEGEND}
</section>
${rows.map(rowSection).join('\n')}
${missing.map(missingSection).join('\n')}
${broken.map(brokenSection).join('\n')}
<footer>
<p>Every figure is the median of its rounds; in brackets, and as a thin line on each bar, where the rounds lie from the
10th to the 90th percentile. All contestants of a row ran in turn, round by round, each round in the opposite order
of the one before; a ratio compares what was measured in the same run.</p>
</footer>
</main>
</body>
</html>
`
}

/** @param {Result} result */
function lead({ rows, missing, broken, full }) {
  const judged = rows.flatMap(({ verdicts }) => verdicts).filter(({ reached }) => reached !== null)
  const reached = judged.filter((verdict) => verdict.reached).length
  const form = full ? 'The long form.' : 'The short form: few rounds of little work.'
  const without = missing.length + broken.length
  const broke = without === 0 ? '' : ` ${without} could not be measured.`
  return `Of ${judged.length} aims ${reached} were reached in this run.${broke} ${form}`
}

/** @param {Result} result */
function facts({ machine, startedAt, tookMs }) {
  const { cpu, cores, memoryGb, system, node, rust, version, peers, load } = machine
  const started = startedAt.replace('T', ' ').replace(/\..*/, ' UTC')
  const rows = [
    ['Machine', `${cores} × ${cpu}, ${memoryGb} GB, ${system}`],
    ['Versions', [`blender-pool ${version}`, `Node ${node}`, rust].filter(Boolean).join(', ')],
    [
      'Peers',
      Object.entries(peers)
        .map(([name, number]) => `${name} ${number}`)
        .join(', '),
    ],
    [
      'Started',
      `${started}, took ${Math.round(tookMs / 1000)} s; load ${load.before} before, ${load.after} after`,
    ],
  ]
  const cells = rows.map(([name, value]) => `<div><dt>${name}</dt><dd>${escaped(value)}</dd></div>`)
  return `<dl class="facts">${cells.join('')}</dl>`
}

/** @param {Result['rows']} rows */
function overview(rows) {
  const [[, ...head]] = summary([])
  const names = head.map((name) => `<th>${escaped(name)}</th>`)
  return `<div class="wide"><table class="overview"><thead><tr>${names.join('')}</tr></thead>${rows.map(overviewOf).join('')}</table></div>`
}

/** The row by its name, and below that what is to be reached. @param {Result['rows'][number]} row */
function overviewOf(row) {
  const { number, title } = row
  const [, ...lines] = summary([row])
  const cells = lines.map(([, name, ...line], at) => {
    const answer = line[line.length - 1]
    const kind = answer === 'yes' ? 'good' : answer === 'no' ? 'bad' : 'none'
    const figures = line.slice(0, -1).map((text) => `<td>${escaped(text)}</td>`)
    const isSame = at > 0 && lines[at - 1][1] === name
    const what = isSame || name === title ? '' : name.slice(title.length).replace(/^[:,] /, '')
    return `<tr><td class="what">${escaped(what)}</td>${figures.join('')}<td><span class="badge ${kind}">${answer}</span></td></tr>`
  })
  const heading = `<tr class="name"><td colspan="7"><a href="#row-${number}">${number}. ${escaped(title)}</a></td></tr>`
  return `<tbody>${heading}${cells.join('')}</tbody>`
}

/** @param {Result['missing'][number]} missing */
function missingSection({ number, title, why }) {
  return `<section class="card" id="row-${number}">
<div class="head"><h2>${number}. ${escaped(title)}</h2><span class="badge none">not measured</span></div>
<p class="lead">It cannot be measured here: ${escaped(why)}</p>
</section>`
}

/** @param {Result['broken'][number]} broken */
function brokenSection({ number, title, error }) {
  return `<section class="card" id="row-${number}">
<div class="head"><h2>${number}. ${escaped(title)}</h2><span class="badge bad">broke</span></div>
<pre>${escaped(error)}</pre>
</section>`
}

module.exports = { pageOf }
