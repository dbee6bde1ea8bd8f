// @ts-check
'use strict'
// The page: one HTML file that needs nothing else, no network and no script. Its look is that of the stress report.

const { escaped } = require('../../stress/report/chart')
const { STYLE } = require('../../stress/report/style')
const { summary } = require('../run/table')
const { rowSection } = require('./row')
const { OWN_STYLE } = require('./style')

/** @typedef {import('..').Result} Result */

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
${rows.map(rowSection).join('\n')}
${missing.map(missingSection).join('\n')}
${broken.map(brokenSection).join('\n')}
<footer>
<p>Every figure is the median of its rounds; in brackets, and as a thin line on each bar, where the rounds lie from the
10th to the 90th percentile. All contestants of a row ran in turn, round by round, each round in the opposite order
of the one before; a ratio compares what was measured in the same run.</p>
<p>A dashed line is what blender-pool is to reach: a share of the best peer’s figure, or a figure of its own.</p>
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
  const [head, ...lines] = summary(rows)
  const cells = lines.map(([number, ...line]) => {
    const answer = line[line.length - 1]
    const kind = answer === 'yes' ? 'good' : answer === 'no' ? 'bad' : 'none'
    const [title, ...others] = line.slice(0, -1).map((text) => escaped(text))
    const figures = others.map((text) => `<td>${text}</td>`).join('')
    return `<tr><td><a href="#row-${number}">${number}. ${title}</a></td>${figures}<td><span class="badge ${kind}">${answer}</span></td></tr>`
  })
  const names = head.slice(1).map((name) => `<th>${escaped(name)}</th>`)
  return `<div class="wide"><table class="overview"><thead><tr>${names.join('')}</tr></thead><tbody>${cells.join('')}</tbody></table></div>`
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
