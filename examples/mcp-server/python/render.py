# Reads: width, height, samples, engine. Answers with the PNG in base64, so that Blender may stand on another
# machine, and leaves the scene's settings as they were.
import base64
import contextlib
import os
import tempfile

import bpy

# Renamed in 4.2, and back in 5.0.
NAMES = {
    "CYCLES": ["CYCLES"],
    "EEVEE": ["BLENDER_EEVEE_NEXT", "BLENDER_EEVEE"],
    "WORKBENCH": ["BLENDER_WORKBENCH"],
}

scene = bpy.context.scene
with contextlib.ExitStack() as after:
    folder = after.enter_context(tempfile.TemporaryDirectory())
    path = os.path.join(folder, "image.png")

    def change(owner, name, value):
        if hasattr(owner, name):
            after.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)

    names = NAMES[args["engine"]]
    for name in names:
        with contextlib.suppress(TypeError):  # this Blender calls it otherwise
            change(scene.render, "engine", name)
    if scene.render.engine not in names:
        raise RuntimeError(f"this Blender has no {args['engine']}")
    change(scene.render, "resolution_x", args["width"])
    change(scene.render, "resolution_y", args["height"])
    change(scene.render, "resolution_percentage", 100)
    change(scene.render, "use_file_extension", False)
    change(scene.render, "filepath", path)
    change(scene.render.image_settings, "media_type", "IMAGE")  # 5.0 and later
    change(scene.render.image_settings, "file_format", "PNG")
    change(scene.render.image_settings, "color_mode", "RGB")
    change(scene.render.image_settings, "color_depth", "8")
    if scene.render.engine == "CYCLES":
        import _cycles

        change(scene.cycles, "samples", args["samples"])
        # Some builds of Blender have no denoiser, and asking for it fails the render.
        denoises = getattr(_cycles, "with_openimagedenoise", True)
        change(scene.cycles, "use_denoising", scene.cycles.use_denoising and denoises)

    bpy.ops.render.render(write_still=True)
    with open(path, "rb") as image:
        answer = {
            "png": base64.b64encode(image.read()).decode("ascii"),
            "engine": scene.render.engine,
        }
