// @ts-check
'use strict'
// Why a row cannot be measured on this machine: something is not installed, or cannot be fetched. Nobody's fault.

class Unmeasurable extends Error {
  name = 'Unmeasurable'
}

module.exports = { Unmeasurable }
