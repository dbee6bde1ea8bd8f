# Gives a piece its own glossy colour.
import bpy

mesh = bpy.data.scenes["blender-pool demo"].objects[piece["name"]].data
paint = bpy.data.materials.new(piece["name"])
paint.use_nodes = True
for node in paint.node_tree.nodes:
    if node.type == "BSDF_PRINCIPLED":
        node.inputs["Base Color"].default_value = (*piece["color"], 1.0)
        node.inputs["Roughness"].default_value = 0.22
mesh.materials.append(paint)
print(piece["name"])
