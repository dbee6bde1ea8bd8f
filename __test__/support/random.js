'use strict'

// Chance that can be played again: that of the stress tool.

module.exports = require('../../stress/random')
