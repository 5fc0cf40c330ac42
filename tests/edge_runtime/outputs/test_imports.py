"""Whoever holds or passes on results pays for neither OpenCV nor an engine."""

import pkgutil
import subprocess
import sys

import pytest

import edge_runtime.outputs

OUTPUTS = [
    module.name for module in pkgutil.iter_modules(edge_runtime.outputs.__path__, "edge_runtime.outputs.")
]


@pytest.mark.parametrize(
    "module", [*OUTPUTS, "edge_runtime.results.frame_result", "edge_runtime.results.status"]
)
def test_it_loads_neither_opencv_nor_an_engine(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{'cv2', 'onnxruntime'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
