"""The Pi side: camera frames, the reduced network under onnxruntime, results and measurements."""

import os

# OpenCV reads these when it is imported. A picture of a few kilobytes may otherwise unpack to gigabytes;
# and a bad file shall be one line of ours, not theirs (its function for that has another name before 4.13).
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

__version__ = "0.1.0"
