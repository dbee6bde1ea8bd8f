'use strict'
// How many tests passed, failed and were skipped, read from what each runner prints.
// A run that failed without a failing test (it did not compile, it crashed) counts as one failure, and
// so does a run without any test: both would otherwise look like a good day.

const { stripVTControlCharacters } = require('node:util')

function numberAfter(text, pattern) {
  const match = pattern.exec(text)
  return match ? Number(match[1]) : 0
}

function settle(tally, ok) {
  if (ok && tally.failed === 0 && tally.passed + tally.skipped > 0) return tally
  return { ...tally, failed: Math.max(tally.failed, 1) }
}

/** cargo prints one `test result:` line for each test binary. */
function ofCargo(output, ok) {
  const tally = { passed: 0, failed: 0, skipped: 0 }
  const results = /^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/gm
  for (const [, passed, failed, ignored] of stripVTControlCharacters(output).matchAll(results)) {
    tally.passed += Number(passed)
    tally.failed += Number(failed)
    tally.skipped += Number(ignored)
  }
  return settle(tally, ok)
}

/** Python's unittest ends with `Ran 9 tests in ...` and `OK (skipped=1)` or `FAILED (errors=2)`. */
function ofUnittest(output, ok) {
  const ran = numberAfter(output, /^Ran (\d+) tests? in /m)
  const failed =
    numberAfter(output, /^FAILED \(.*failures=(\d+)/m) +
    numberAfter(output, /^FAILED \(.*errors=(\d+)/m)
  const skipped = numberAfter(output, /^(?:OK|FAILED) \(.*skipped=(\d+)/m)
  return settle({ passed: Math.max(ran - failed - skipped, 0), failed, skipped }, ok)
}

/** What jest writes with --json. A suite that cannot be loaded has no tests, and fails. */
function ofJest(report, ok) {
  const tally = {
    passed: report.numPassedTests,
    failed: report.numFailedTests + report.numRuntimeErrorTestSuites,
    skipped: report.numPendingTests + report.numTodoTests,
  }
  return settle(tally, ok && report.success)
}

/** A check that is one test: it holds or it does not. */
function ofCheck(ok) {
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
}

function sum(tallies) {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const tally of tallies) {
    for (const kind of Object.keys(total)) total[kind] += tally[kind]
  }
  return total
}

function line({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}

module.exports = { ofCargo, ofUnittest, ofJest, ofCheck, sum, line }
