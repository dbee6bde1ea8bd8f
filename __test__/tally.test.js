'use strict'
// The last line of `npm test` is a sum; a runner that fails or finds nothing must show in it.

const tally = require('../scripts/tally.js')

test('cargo: the results of all test binaries are added, colours or not', () => {
  const output = [
    'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out',
    'test result: \u001b[31mFAILED\u001b[0m. 2 passed; 1 failed; 0 ignored; 0 measured',
  ].join('\n')
  expect(tally.ofCargo(output, false)).toEqual({ passed: 5, failed: 1, skipped: 1 })
})

test('cargo: what does not compile is a failure', () => {
  expect(tally.ofCargo('error[E0433]: failed to resolve', false)).toMatchObject({ failed: 1 })
})

test.each([
  ['Ran 9 tests in 4.1s\n\nOK', true, { passed: 9, failed: 0, skipped: 0 }],
  ['Ran 1 test in 0.1s\n\nOK (skipped=1)', true, { passed: 0, failed: 0, skipped: 1 }],
  [
    'Ran 9 tests in 4.1s\n\nFAILED (failures=1, errors=2, skipped=1)',
    false,
    { passed: 5, failed: 3, skipped: 1 },
  ],
  ['Traceback (most recent call last):', false, { passed: 0, failed: 1, skipped: 0 }],
])('unittest: %j', (output, ok, expected) => {
  expect(tally.ofUnittest(output, ok)).toEqual(expected)
})

test('jest: a suite that cannot be loaded is a failure', () => {
  const report = {
    success: false,
    numPassedTests: 4,
    numFailedTests: 0,
    numPendingTests: 1,
    numTodoTests: 0,
    numRuntimeErrorTestSuites: 1,
  }
  expect(tally.ofJest(report, false)).toEqual({ passed: 4, failed: 1, skipped: 1 })
})

test('a run without any test is a failure', () => {
  expect(tally.ofCargo('running 0 tests', true)).toMatchObject({ failed: 1 })
  expect(tally.ofUnittest('Ran 0 tests in 0.0s\n\nOK', true)).toMatchObject({ failed: 1 })
})

test('the last line', () => {
  const sum = tally.sum([tally.ofCheck(true), { passed: 6, failed: 0, skipped: 2 }])
  expect(tally.line(sum)).toBe('7 passed, 0 failed, 2 skipped')
})
