"""The Pi side: camera frames, the reduced network under onnxruntime, results and measurements."""

import os

# OpenCV reads this when it is imported: a picture of a few kilobytes may otherwise unpack to gigabytes.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))

__version__ = "0.1.0"
