"""The Pi side: camera frames, the reduced network under onnxruntime, results and measurements."""

__version__ = "0.1.0"
