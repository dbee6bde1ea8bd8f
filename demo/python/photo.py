# Renders the sculpture and prints the PNG in base64, so that Blender may stand on another machine.
import base64
import os
import tempfile

import bpy

scene = bpy.data.scenes["blender-pool demo"]
settings = scene.render
settings.engine = "CYCLES"
settings.resolution_x, settings.resolution_y = photo["width"], photo["height"]
settings.resolution_percentage = 100
settings.use_file_extension = False
if hasattr(settings.image_settings, "media_type"):  # 5.0 and later
    settings.image_settings.media_type = "IMAGE"
settings.image_settings.file_format = "PNG"
scene.cycles.samples = photo["samples"]
scene.cycles.device = "CPU"
scene.cycles.max_bounces = 4
try:
    import _cycles

    scene.cycles.use_denoising = getattr(_cycles, "with_openimagedenoise", True)
except ImportError:
    scene.cycles.use_denoising = False
scene.view_settings.view_transform = "Standard"

with tempfile.TemporaryDirectory() as folder:
    settings.filepath = os.path.join(folder, "photo.png")
    bpy.ops.render.render(write_still=True, scene=scene.name)
    with open(settings.filepath, "rb") as image:
        print(base64.b64encode(image.read()).decode("ascii"))
