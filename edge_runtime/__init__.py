"""The Pi side: camera frames, the reduced network under onnxruntime, results and measurements.

From Python::

    from edge_runtime import Model, Pipeline

    model = Model.open("network.onnx")
    with Pipeline.open(model, source="demo") as pipeline:
        for frame_result in pipeline:
            print(frame_result.words())

``Model``, ``ModelCard`` and ``Pipeline`` are loaded when they are first asked for: numpy, OpenCV and
onnxruntime take tens of megabytes, which ``pi-infer --help`` and the like shall not pay.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.inference import Model
    from edge_runtime.model.card import ModelCard
    from edge_runtime.pipeline import Pipeline

__all__ = ["Model", "ModelCard", "Pipeline", "__version__"]

# OpenCV reads these when it is imported. A picture of a few kilobytes may otherwise unpack to gigabytes;
# and a bad file shall be one line of ours, not theirs (its function for that has another name before 4.13).
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

__version__ = "0.1.0"

_HOMES = {
    "Model": "edge_runtime.inference",
    "ModelCard": "edge_runtime.model.card",
    "Pipeline": "edge_runtime.pipeline",
}


def __getattr__(name: str) -> object:
    """Load a part of the Python API when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    part: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = part  # so that this function is not asked again
    return part


def __dir__() -> list[str]:
    """All names, those that are not loaded yet included."""
    return sorted({*globals(), *__all__})
