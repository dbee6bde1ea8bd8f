'use strict'

// The statistics of a pool as they would stand after a busy hour: every figure there is, each different
// from the others, so that a mix-up shows.

/** @param {number} base what the durations start at */
function durations(base) {
  return { count: base * 10, p50: base, p95: base * 2, p99: base * 3, max: base * 4 }
}

/** What a pool and an endpoint have alike. */
function common() {
  return {
    total: 10,
    idle: 1,
    inUse: 2,
    connecting: 3,
    unusable: 4,
    waiting: 5,
    min: 6,
    max: 12,
    acquired: 101,
    released: 99,
    created: 20,
    connectFailures: 7,
    timeouts: 8,
    aborted: 9,
    commands: 1000,
    commandErrors: 11,
    healthChecks: 300,
    healthCheckFailures: 13,
    dropped: 14,
    leaks: 15,
    reclaimed: 16,
    hookFailures: 17,
    desyncs: 18,
    raceDetected: 0,
    closed: {
      stale: 21,
      idle: 22,
      error: 23,
      poolClosed: 24,
      lifetime: 25,
      uses: 26,
      unhealthy: 27,
      discarded: 28,
    },
    waitMs: durations(2),
    useMs: durations(30),
    connectMs: durations(5),
    commandMs: durations(25),
  }
}

/** @param {object} [changes] */
function endpointFigures(changes) {
  return {
    name: 'left',
    dialect: 'worker',
    state: 'up',
    ...common(),
    inFlight: 2,
    failures: 0,
    retryInMs: null,
    lastError: null,
    latencyMs: 1.5,
    generation: 3,
    ...changes,
  }
}

/** @param {object} [changes] */
function poolFigures(changes) {
  const down = {
    name: 'right',
    dialect: null,
    state: 'down',
    failures: 4,
    retryInMs: 250,
    latencyMs: null,
  }
  return { ...common(), endpoints: [endpointFigures(), endpointFigures(down)], ...changes }
}

module.exports = { endpointFigures, poolFigures }
