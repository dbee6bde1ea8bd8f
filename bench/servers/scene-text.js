// @ts-check
'use strict'
// A large reply as add-ons give it: the objects of a scene, with names, numbers, and now and then a thumbnail;
// in ASCII, as Python's json.dumps writes it.

const THUMBNAIL = Buffer.from(
  Array.from({ length: 3 * 1024 }, (_, at) => (at * 7919) % 256),
).toString('base64')

/** @param {number} number */
function object(number) {
  const location = [number * 0.25, -number * 0.125, (number % 97) / 8]
  return {
    name: `Cube.${String(number).padStart(6, '0')}`,
    type: 'MESH',
    location,
    rotation: [0, number % 6, 0.785398],
    visible: number % 5 !== 0,
    materials: [`Material.${number % 31}`, 'Größe – naïve'],
    thumbnail: number % 4 === 0 ? THUMBNAIL : null,
  }
}

/** @param {string} json @returns {string} */
function ascii(json) {
  return json.replace(/[^\x20-\x7e]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/**
 * @param {number} megabytes of the whole reply, or a little more
 * @returns {string} the reply's JSON text
 */
function sceneText(megabytes) {
  const enough = megabytes * 2 ** 20
  /** @type {string[]} */
  const objects = []
  for (let bytes = 0; bytes < enough; ) {
    const text = ascii(JSON.stringify(object(objects.length)))
    bytes += text.length + 1
    objects.push(text)
  }
  return `{"status":"success","result":{"megabytes":${megabytes},"objects":[${objects.join(',')}]}}`
}

/**
 * Looks whether all of it came.
 * @param {any} result
 * @param {number} megabytes
 */
function checkScene({ objects, ...rest }, megabytes) {
  const last = JSON.stringify(objects.at(-1))
  const isWhole =
    rest.megabytes === megabytes && last === JSON.stringify(object(objects.length - 1))
  if (!isWhole) throw new Error(`${megabytes} MB came back as something else.`)
}

module.exports = { checkScene, sceneText }
