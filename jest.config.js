'use strict'

/** @type {import('jest').Config} */
module.exports = {
  // Only the tests: crawling target/ or a Python environment with Blender in it takes longer than they do.
  roots: ['<rootDir>/__test__'],
  // End-to-end tests need a Blender; `npm run test:e2e` asks for them with its own --testMatch.
  testMatch: ['**/__test__/**/*.test.js', '!**/*.e2e.test.js'],
  testEnvironment: 'node',
  testTimeout: 30_000,
  maxWorkers: 2,
}
