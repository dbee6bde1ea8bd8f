# One bead of the sculpture: `piece` says which, where, how large and in what colour.
import bmesh
import bpy

scene = bpy.data.scenes["blender-pool demo"]

mesh = bpy.data.meshes.new(piece["name"])
shape = bmesh.new()
bmesh.ops.create_icosphere(shape, subdivisions=4, radius=piece["radius"])
shape.to_mesh(mesh)
shape.free()
mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))

item = bpy.data.objects.new(piece["name"], mesh)
item.location = piece["location"]
scene.collection.objects.link(item)
print(item.name)
