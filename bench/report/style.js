// @ts-check
'use strict'
// What this page has beside the look of the stress report.

module.exports.OWN_STYLE = `
:root { --pale: #d5d8db; --red: #c2564f; }
@media (prefers-color-scheme: dark) { :root { --pale: #44494f; --red: #d9776f; } }
svg .group { font-size: 12px; font-weight: 600; fill: var(--ink); }
.spread { stroke: var(--ink); stroke-width: 1.2; opacity: 0.55; }
.fill.pale { fill: var(--pale); }
.line.sky { stroke: var(--sky); } .line.violet { stroke: var(--violet); } .line.grey { stroke: var(--grey); } .line.red { stroke: var(--red); }
.dot.sky, i.sky { fill: var(--sky); background: var(--sky); } .dot.violet { fill: var(--violet); } .dot.red, i.red { fill: var(--red); background: var(--red); }
table.overview td { font-size: 13px; }
table.overview td:first-child { white-space: normal; min-width: 220px; }
details { margin-top: 20px; }
summary { cursor: pointer; color: var(--soft); font-size: 13px; }
tr.ours td:first-child { font-weight: 600; }
td .soft { font-size: 12px; font-weight: 400; }
pre { overflow-x: auto; font-size: 12px; color: var(--bad); }
`
