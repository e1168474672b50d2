"""A worker that makes a picture smaller: base64 in, base64 out. It needs Pillow.

runpod-sdk emulate examples/image_worker.py --endpoint thumbnails --workers 4
"""

import base64
import io

import runpod
from PIL import Image


def handler(job):
    picture = Image.open(io.BytesIO(base64.b64decode(job["input"]["image"])))
    picture.thumbnail((job["input"].get("size", 128),) * 2)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return {"image": base64.b64encode(out.getvalue()).decode(), "size": list(picture.size)}


runpod.serverless.start({"handler": handler})
