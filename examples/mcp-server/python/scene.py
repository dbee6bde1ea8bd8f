# Reads: limit. Answers with the scene and its objects; changes nothing.
import itertools
import math

import bpy


def rounded(values):
    return [round(value, 4) for value in values]


scene = bpy.context.scene
bpy.context.view_layer.update()
answer = {
    "name": scene.name,
    "file": bpy.data.filepath,
    "frame": scene.frame_current,
    "camera": scene.camera.name if scene.camera else None,
    "object_count": len(scene.objects),
    "objects": [
        {
            "name": item.name,
            "type": item.type,
            "location": rounded(item.location),
            "rotation": rounded(map(math.degrees, item.matrix_basis.to_euler())),
            "scale": rounded(item.scale),
        }
        for item in itertools.islice(scene.objects, args["limit"])
    ],
}
