// @ts-check
'use strict'
// The look of the report, light and dark. Nothing is loaded from anywhere.

module.exports.STYLE = `
:root {
  color-scheme: light dark;
  --paper: #f6f6f4; --card: #ffffff; --ink: #1d2126; --soft: #646b74; --rule: #e3e4e1; --grid: #ececea;
  --good: #1a7f4b; --warning: #a86400; --bad: #c22f2f; --good-paper: #e4f3ea; --warning-paper: #faeeda; --bad-paper: #fae3e1;
  --blue: #2f6fb7; --sky: #9cc3ea; --green: #4f9d69; --orange: #d98a2b; --violet: #8a67b8; --grey: #a9adb3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --card: #1d2024; --ink: #e7e8ea; --soft: #9aa1aa; --rule: #2d3136; --grid: #292d32;
    --good: #62c48d; --warning: #e2ab55; --bad: #f07f78; --good-paper: #1b3527; --warning-paper: #3a2d15; --bad-paper: #402120;
    --blue: #5f9fe3; --sky: #3b6796; --green: #67b583; --orange: #dfa04f; --violet: #ab8ad6; --grey: #6d747d;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1180px; margin: 0 auto; padding: 36px 24px 72px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0; letter-spacing: -0.005em; }
h3 { font-size: 13px; font-weight: 600; margin: 0 0 6px; }
p { margin: 0; }
a { color: inherit; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 22px 24px; margin-top: 20px; }
.head { display: flex; align-items: center; gap: 14px; flex-wrap: wrap; }
.badge { display: inline-block; padding: 2px 11px; border-radius: 999px; font-weight: 600; font-size: 13px; white-space: nowrap; }
.badge.big { font-size: 17px; padding: 5px 17px; }
.badge.good { color: var(--good); background: var(--good-paper); }
.badge.warning { color: var(--warning); background: var(--warning-paper); }
.badge.bad { color: var(--bad); background: var(--bad-paper); }
.badge.none { color: var(--soft); background: var(--grid); }
.soft { color: var(--soft); }
ul.reasons.top { margin-top: 12px; }
.lead { margin-top: 8px; max-width: 78ch; color: var(--soft); }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 12px 28px; margin: 20px 0 0; }
dl.facts dt { font-size: 12px; color: var(--soft); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
dl.figures { display: grid; grid-template-columns: repeat(6, 1fr); gap: 1px; margin: 18px 0 4px; background: var(--rule); border: 1px solid var(--rule); border-radius: 8px; overflow: hidden; }
dl.figures div { background: var(--card); padding: 9px 12px; }
dl.figures dt { font-size: 12px; color: var(--soft); }
dl.figures dd { margin: 0; font-size: 18px; font-weight: 600; letter-spacing: -0.01em; }
dl.figures dd small { font-size: 12px; font-weight: 400; color: var(--soft); }
.wide { overflow-x: auto; margin-top: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 7px 10px; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { font-size: 12px; font-weight: 500; color: var(--soft); vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody tr:last-child td { border-bottom: 0; }
ul { list-style: none; margin: 0; padding: 0; }
ul.reasons { margin-top: 14px; }
ul.reasons li, ul.checks li { padding-left: 24px; position: relative; margin-top: 4px; }
ul.reasons li::before, ul.checks li::before { position: absolute; left: 2px; font-weight: 700; }
li.good::before { content: "✓"; color: var(--good); }
li.warning::before { content: "!"; color: var(--warning); left: 6px !important; }
li.bad::before { content: "✗"; color: var(--bad); }
li.none::before { content: "–"; color: var(--soft); }
li .advice { display: block; color: var(--soft); }
li.bad > b, li.bad .what { color: var(--bad); }
li.warning .what { color: var(--warning); }
ul.checks { font-size: 14px; }
ul.checks .soft { font-size: 12px; white-space: nowrap; }
ul.checks code { display: block; font-size: 12px; color: var(--bad); overflow-wrap: anywhere; }
.plots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 24px 32px; margin-top: 22px; }
@media (max-width: 820px) { .plots { grid-template-columns: minmax(0, 1fr); } dl.figures { grid-template-columns: repeat(3, 1fr); } main { padding: 20px 12px 48px; } .card { padding: 18px 16px; } }
figure { margin: 0; min-width: 0; }
figcaption { display: flex; align-items: baseline; justify-content: space-between; gap: 10px; flex-wrap: wrap; }
.legend { display: flex; gap: 12px; flex-wrap: wrap; font-size: 12px; color: var(--soft); }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; vertical-align: -0.5px; }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
svg text { fill: var(--soft); }
svg .count, svg .row { fill: var(--ink); }
svg .row { font-size: 12px; }
svg .count { font-size: 10px; }
.grid { stroke: var(--grid); } .base { stroke: var(--grey); }
.limit { stroke: var(--ink); stroke-dasharray: 3 3; stroke-width: 1; }
.flag { fill: var(--bad); opacity: 0.16; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.area { stroke: none; opacity: 0.14; }
.range { stroke-width: 3; opacity: 0.35; stroke-linecap: round; }
.dot { stroke: var(--card); stroke-width: 1.5; }
.line.blue, .range.blue { stroke: var(--blue); } .line.orange, .range.orange { stroke: var(--orange); } .line.green, .range.green { stroke: var(--green); } .range.grey { stroke: var(--grey); }
.area.blue, .fill.blue, .stack.blue, .dot.blue, i.blue { fill: var(--blue); background: var(--blue); }
.area.orange, .fill.orange, .stack.orange, .dot.orange, i.orange { fill: var(--orange); background: var(--orange); }
.area.green, .fill.green, .stack.green, .dot.green, i.green { fill: var(--green); background: var(--green); }
.fill.sky, .stack.sky, i.sky { fill: var(--sky); background: var(--sky); }
.fill.grey, .stack.grey, .dot.grey, i.grey { fill: var(--grey); background: var(--grey); }
.stack.violet, i.violet { fill: var(--violet); background: var(--violet); }
footer { margin-top: 28px; color: var(--soft); font-size: 13px; max-width: 92ch; }
footer p + p { margin-top: 8px; }
@media print { body { background: none; } .card { break-inside: avoid; } }
`
