// @ts-check
'use strict'
// The known name that a mistyped one most likely means.

/**
 * Edit distance (insert, delete, replace), one row at a time.
 * @param {string} a
 * @param {string} b
 */
function distance(a, b) {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replace = above[column - 1] + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replace, above[column] + 1, current[column - 1] + 1))
    }
    above = current
  }
  return above[b.length]
}

/**
 * The nearest of `names`, or null when none is near: a third of the letters may differ.
 * @param {string} name
 * @param {Iterable<string>} names
 * @returns {string | null}
 */
function nearest(name, names) {
  // No name is this long, and the distance is quadratic.
  if (name.length > 64) return null
  const wanted = name.toLowerCase()
  let best = null
  let least = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const known of names) {
    const far = distance(wanted, known.toLowerCase())
    if (far < least) {
      least = far
      best = known
    }
  }
  return best
}

/**
 * ` Did you mean x?`, or nothing.
 * @param {string} name
 * @param {Iterable<string>} names
 */
function didYouMean(name, names) {
  const best = nearest(name, names)
  return best === null ? '' : ` Did you mean ${best}?`
}

module.exports = { nearest, didYouMean }
