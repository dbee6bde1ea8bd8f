# A scene of its own with floor, light and camera; whatever else is open stays as it is.
import math

import bpy
from mathutils import Vector

NAME = "blender-pool demo"

scene = bpy.data.scenes.get(NAME) or bpy.data.scenes.new(NAME)
for item in list(scene.objects):
    bpy.data.objects.remove(item, do_unlink=True)
for window in bpy.context.window_manager.windows if not bpy.app.background else ():
    window.scene = scene


def placed(name, data, location, target=None):
    item = bpy.data.objects.new(name, data)
    scene.collection.objects.link(item)
    item.location = location
    if target is not None:
        item.rotation_euler = (Vector(target) - Vector(location)).to_track_quat("-Z", "Y").to_euler()
    return item


def material(name, color, roughness):
    made = bpy.data.materials.get(name) or bpy.data.materials.new(name)
    made.use_nodes = True
    for node in made.node_tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            node.inputs["Base Color"].default_value = (*color, 1.0)
            node.inputs["Roughness"].default_value = roughness
    return made


def area(name, location, size, watts, color):
    light = bpy.data.lights.new(name, "AREA")
    light.size, light.energy, light.color = size, watts, color
    placed(name, light, location, (0, 0, 0.5))


world = bpy.data.worlds.get(NAME) or bpy.data.worlds.new(NAME)
world.use_nodes = True
for node in world.node_tree.nodes:
    if node.type == "BACKGROUND":
        node.inputs["Color"].default_value = (0.20, 0.26, 0.50, 1.0)
        node.inputs["Strength"].default_value = 0.35
scene.world = world

floor = bpy.data.meshes.new("Floor")
floor.from_pydata([(-60, -60, 0), (60, -60, 0), (60, 60, 0), (-60, 60, 0)], [], [(0, 1, 2, 3)])
floor.materials.append(material("Floor", (0.045, 0.05, 0.085), 0.35))
placed("Floor", floor, (0, 0, 0))

area("Key", (-5.5, -3.5, 7.5), 4.0, 950, (1.0, 0.93, 0.84))
area("Fill", (7.0, -5.0, 4.0), 5.0, 220, (0.80, 0.88, 1.0))
area("Rim", (2.0, 8.0, 4.5), 3.0, 380, (1.0, 0.82, 0.90))

lens = bpy.data.cameras.new("Camera")
lens.lens = 50
scene.camera = placed("Camera", lens, (0.0, -9.4, 8.1), (0, -0.25, 0.3))

print(f"{NAME}: Blender {bpy.app.version_string}")
