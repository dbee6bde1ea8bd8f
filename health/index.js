// @ts-check
'use strict'
// What a server does around its pools: it reports on their health, shows their metrics, and ends in order.
// The names one by one, so that `import { startHealthReporter } from 'blender-pool/health'` finds them too.

const { ShutdownRegistry } = require('./shutdown')

/** The process's own registry, for which the functions below stand. */
const shutdown = new ShutdownRegistry()

exports.HealthReporter = require('./reporter').HealthReporter
exports.startHealthReporter = require('./reporter').startHealthReporter
exports.metricsOf = require('./metrics-of').metricsOf
exports.ShutdownRegistry = ShutdownRegistry
exports.shutdown = shutdown

/** @type {typeof shutdown.register} */
exports.registerShutdownHandler = (name, run, options) => shutdown.register(name, run, options)

/** @type {typeof shutdown.registerPool} */
exports.registerPool = (pool, options) => shutdown.registerPool(pool, options)

/** @type {typeof shutdown.installSignalHandlers} */
exports.installSignalHandlers = (options) => shutdown.installSignalHandlers(options)
