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
table.overview td { font-size: 13px; padding: 3px 10px; border-bottom: 0; }
table.overview td:first-child { padding-left: 0; }
table.overview .what { white-space: normal; min-width: 200px; padding-left: 22px !important; color: var(--soft); }
table.overview .name td { font-weight: 600; padding-top: 10px; white-space: normal; }
table.overview tbody:not(:last-child) tr:last-child td { border-bottom: 1px solid var(--rule); padding-bottom: 10px; }
table.overview a { text-decoration: none; }
table.overview a:hover { text-decoration: underline; }
table.overview .badge { padding: 0 9px; font-size: 12px; }
ul.keys { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 4px 28px; margin-top: 12px; font-size: 14px; }
ul.keys li { display: flex; align-items: baseline; gap: 10px; }
ul.keys i { flex: none; width: 26px; height: 11px; border-radius: 2px; align-self: center; }
i.pale { background: var(--pale); }
ul.keys i.dash { width: 0; height: 18px; margin: 0 13px; border-radius: 0; border-left: 1px dashed var(--ink); }
ul.keys i.whisker { height: 0; border-radius: 0; border-top: 1.5px solid var(--soft); }
@media (max-width: 820px) { ul.keys { grid-template-columns: minmax(0, 1fr); } }
details { margin-top: 20px; }
summary { cursor: pointer; color: var(--soft); font-size: 13px; }
tr.ours td:first-child { font-weight: 600; }
td .soft { font-size: 12px; font-weight: 400; }
pre { overflow-x: auto; font-size: 12px; color: var(--bad); }
`
