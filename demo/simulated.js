'use strict'

/** The simulator as a process; it ends with the one that started it. */

const { startSimulator } = require('../simulator')

// Ctrl-C reaches the whole group of processes; the demo decides when this one goes.
process.on('SIGINT', () => {})

startSimulator().then((simulator) => {
  process.once('disconnect', () => simulator.close())
  process.send({ address: simulator.address, dialect: simulator.dialect })
})
