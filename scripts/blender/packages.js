'use strict'

/**
 * The system libraries that Blender's Python module loads but does not bring, and the Debian and
 * Ubuntu packages they are in.
 */

const { readdirSync } = require('node:fs')
const path = require('node:path')
const { run } = require('./run.js')

/** @type {Record<string, string>} */
const PACKAGE_OF = {
  'libEGL.so.1': 'libegl1',
  'libGL.so.1': 'libgl1',
  'libICE.so.6': 'libice6',
  'libSM.so.6': 'libsm6',
  'libX11.so.6': 'libx11-6',
  'libXext.so.6': 'libxext6',
  'libXfixes.so.3': 'libxfixes3',
  'libXi.so.6': 'libxi6',
  'libXrender.so.1': 'libxrender1',
  'libXt.so.6': 'libxt6',
  'libXxf86vm.so.1': 'libxxf86vm1',
  'libxkbcommon.so.0': 'libxkbcommon0',
}

/** Every package of the table: enough for bpy 4.5 and 5.2. */
const PACKAGES = [...new Set(Object.values(PACKAGE_OF))].sort()

/**
 * Which system libraries are missing when `import bpy` failed; [] when that is not why.
 * @param {string} folder of the bpy package; '' when it is not known
 * @param {string} output what Python said
 * @returns {Promise<string[]>}
 */
async function missingLibraries(folder, output) {
  const told = /(lib[\w.+-]+\.so[\w.]*): cannot open shared object file/.exec(output)?.[1]
  if (!told || !(told in PACKAGE_OF)) return []
  return [...new Set([told, ...(await notFound(folder))])]
}

/** @param {string[]} missing */
function explainMissing(missing) {
  const packages = [...new Set(missing.map((name) => PACKAGE_OF[name]))]
  return (
    `Blender's Python module needs system libraries that are missing: ${missing.join(', ')}. ` +
    `On Debian or Ubuntu: apt-get install -y ${packages.join(' ')}`
  )
}

/** What the loader does not find, for the module and for every library that it brings. */
async function notFound(folder) {
  if (!folder || process.platform !== 'linux') return []
  const libraries = [path.join(folder, '__init__.so')]
  try {
    const own = path.join(folder, 'lib')
    libraries.push(...readdirSync(own).map((name) => path.join(own, name)))
  } catch {
    // Not every version has that folder.
  }
  const { output } = await run(
    'ldd',
    libraries.filter((name) => name.includes('.so')),
  )
  const names = [...output.matchAll(/(\S+) => not found/g)].map((match) => match[1])
  return [...new Set(names)].filter((name) => name in PACKAGE_OF)
}

module.exports = { PACKAGES, explainMissing, missingLibraries }
