# Reads: type, name, location, rotation (degrees), scale. Answers with the object as it came to be.
import math

import bpy


def rounded(values):
    return [round(value, 4) for value in values]


ADD = {
    "cube": bpy.ops.mesh.primitive_cube_add,
    "plane": bpy.ops.mesh.primitive_plane_add,
    "sphere": bpy.ops.mesh.primitive_uv_sphere_add,
    "cylinder": bpy.ops.mesh.primitive_cylinder_add,
    "cone": bpy.ops.mesh.primitive_cone_add,
    "torus": bpy.ops.mesh.primitive_torus_add,
    "monkey": bpy.ops.mesh.primitive_monkey_add,
    "empty": bpy.ops.object.empty_add,
    "light": bpy.ops.object.light_add,
    "camera": bpy.ops.object.camera_add,
}

if bpy.context.mode != "OBJECT":
    bpy.ops.object.mode_set(mode="OBJECT")
rotation = list(map(math.radians, args["rotation"]))
options = {"type": "SUN"} if args["type"] == "light" else {}
ADD[args["type"]](location=args["location"], rotation=rotation, **options)

item = bpy.context.active_object
item.scale = args["scale"]
if args.get("name"):
    item.name = args["name"]
if item.type == "CAMERA" and bpy.context.scene.camera is None:
    bpy.context.scene.camera = item
answer = {
    "name": item.name,
    "type": item.type,
    "location": rounded(item.location),
    "rotation": rounded(map(math.degrees, item.rotation_euler)),
    "scale": rounded(item.scale),
}
