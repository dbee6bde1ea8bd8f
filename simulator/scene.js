'use strict'

/** The small scene a simulated Blender holds: enough to create, query, delete and "render". */

const { greyPng } = require('./png')

const KINDS = [
  'cube',
  'plane',
  'sphere',
  'uv_sphere',
  'ico_sphere',
  'cylinder',
  'cone',
  'torus',
  'monkey',
]

/**
 * @typedef {object} Item
 * @property {string} name
 * @property {string} type
 * @property {number[]} location
 * @property {number[]} rotation
 * @property {number[]} scale
 * @property {number} size
 */

class Scene {
  /** @type {Map<string, Item>} */
  #items = new Map()

  constructor() {
    this.#add({ name: 'Camera', type: 'CAMERA', location: [7.36, -6.93, 4.96] })
    this.#add({ name: 'Cube', type: 'MESH' })
    this.#add({ name: 'Light', type: 'LIGHT', location: [4.08, 1.01, 5.9] })
  }

  info() {
    const items = [...this.#items.values()]
    return {
      name: 'Scene',
      object_count: items.length,
      objects: items.map(({ name, type, location }) => ({ name, type, location })),
      materials_count: 1,
    }
  }

  /** @param {string} name */
  object(name) {
    const { size, ...item } = this.#find(name)
    const reach = item.scale.map((scale) => (scale * size) / 2)
    return {
      ...item,
      visible: true,
      materials: [],
      ...(item.type === 'MESH' && {
        world_bounding_box: [
          item.location.map((at, axis) => at - reach[axis]),
          item.location.map((at, axis) => at + reach[axis]),
        ],
      }),
    }
  }

  /** @param {Partial<Item> & { kind?: string }} wanted */
  create({ kind, type, name, location, rotation, scale, size }) {
    const shape = String(kind ?? type ?? 'cube').toLowerCase()
    if (!KINDS.includes(shape)) throw new Error(`kind must be one of ${KINDS.join(', ')}`)
    const added = this.#add({
      name: this.#freeName(name ?? shape[0].toUpperCase() + shape.slice(1)),
      type: 'MESH',
      location,
      rotation,
      scale,
      size,
    })
    return { kind: shape, ...this.object(added.name) }
  }

  /** @param {string} name */
  delete(name) {
    this.#items.delete(this.#find(name).name)
    return { deleted: name }
  }

  /** The scene from above on a grey gradient: each mesh a pale square, ten units across the image. */
  /** @param {number} width @param {number} height */
  render(width, height) {
    const meshes = [...this.#items.values()].filter(({ type }) => type === 'MESH')
    const unit = Math.min(width, height) / 10
    return greyPng(width, height, (x, y) => {
      const at = [(x - width / 2) / unit, (height / 2 - y) / unit]
      const hit = meshes.some(({ location, scale, size }) =>
        at.every((value, axis) => Math.abs(value - location[axis]) <= (scale[axis] * size) / 2),
      )
      return hit ? 230 : 40 + Math.floor((100 * y) / height)
    })
  }

  /** @param {Partial<Item> & { name: string, type: string }} item */
  #add({ name, type, location, rotation, scale, size }) {
    const item = {
      name,
      type,
      location: location ?? [0, 0, 0],
      rotation: rotation ?? [0, 0, 0],
      scale: scale ?? [1, 1, 1],
      size: size ?? 2,
    }
    this.#items.set(name, item)
    return item
  }

  /** @param {string} name */
  #find(name) {
    const item = this.#items.get(name)
    if (!item) throw new Error(`Object not found: ${name}`)
    return item
  }

  /** As Blender does: Cube, Cube.001, Cube.002. @param {string} name */
  #freeName(name) {
    let free = name
    for (let count = 1; this.#items.has(free); count++) {
      free = `${name}.${String(count).padStart(3, '0')}`
    }
    return free
  }
}

module.exports = { Scene }
