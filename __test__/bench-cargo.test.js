'use strict'

// What is not installed, or cannot be fetched, is told as that; what does not compile is an error.

const { causeOf } = require('../bench/run/cargo')
const { Unmeasurable } = require('../bench/run/unmeasurable')

const failed = (given) => Object.assign(new Error('Command failed'), given)

test.each([
  ['no cargo at all', { code: 'ENOENT' }, /cargo is not installed/],
  [
    'no network',
    { code: 101, stderr: '    Updating crates.io index\nerror: failed to download `qp v0.2.1`\n' },
    /cannot build bench\/rust: failed to download `qp v0\.2\.1`$/,
  ],
])('with %s it cannot be measured', (_, given, why) => {
  const cause = causeOf(failed(given))
  expect(cause).toBeInstanceOf(Unmeasurable)
  expect(cause.message).toMatch(why)
})

test('code that does not compile is nothing that a machine lacks', () => {
  const stderr = 'error[E0050]: wrong\nerror: could not compile `bench` (lib)\n'
  const cause = causeOf(failed({ code: 101, stderr }))
  expect(cause).not.toBeInstanceOf(Unmeasurable)
  expect(cause.message).toContain('E0050')
})
