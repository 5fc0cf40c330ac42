"""The workstation side: reads a trained ONNX CNN, reduces it, judges it and writes ONNX.

From Python, with the power of the commands::

    from export import evaluate, inspect, reduce

    print(inspect("network.onnx").macs)
    print(reduce("network.onnx", "images", "reduced.onnx", speedup=2).reduction.speedup)
    print(evaluate(["network.onnx", "reduced.onnx"], "labelled").to_document())

The names below are loaded when they are first asked for: importing this package alone loads no library and
changes nothing in the caller's process.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from export.calibrate.padding import SquarePadding
    from export.judge.classification import ClassifierEvaluation
    from export.judge.detection import DetectorEvaluation
    from export.judge.evaluate import evaluate
    from export.network.inspection import Inspection, inspect
    from export.progress import Progress
    from export.recovery.file import recover
    from export.recovery.result import Recovery
    from export.reduction.file import Delivery, reduce
    from export.reduction.quantised_file import QuantisedDelivery, quantise
    from export.reduction.result import Reduction

__all__ = [
    "ClassifierEvaluation",
    "Delivery",
    "DetectorEvaluation",
    "Inspection",
    "Progress",
    "QuantisedDelivery",
    "Recovery",
    "Reduction",
    "SquarePadding",
    "evaluate",
    "inspect",
    "quantise",
    "recover",
    "reduce",
]

_HOMES = {
    "ClassifierEvaluation": "export.judge.classification",
    "Delivery": "export.reduction.file",
    "DetectorEvaluation": "export.judge.detection",
    "Inspection": "export.network.inspection",
    "Progress": "export.progress",
    "QuantisedDelivery": "export.reduction.quantised_file",
    "Recovery": "export.recovery.result",
    "Reduction": "export.reduction.result",
    "SquarePadding": "export.calibrate.padding",
    "evaluate": "export.judge.evaluate",
    "inspect": "export.network.inspection",
    "quantise": "export.reduction.quantised_file",
    "recover": "export.recovery.file",
    "reduce": "export.reduction.file",
}

if not TYPE_CHECKING:  # from a module with this function type checkers would take any name at all

    def __getattr__(name: str) -> object:
        """Load a part of the Python API when it is first asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        part = getattr(import_module(_HOMES[name]), name)
        globals()[name] = part  # so that this function is not asked again
        return part


def __dir__() -> list[str]:
    """All names, those that are not loaded yet included."""
    return sorted({*globals(), *__all__})
