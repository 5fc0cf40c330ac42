"""What importing a part of the exporter costs: the mathematics needs numpy, and nothing that reads files."""

import os
import pkgutil
import subprocess
import sys

import pytest

import export.fit
import export.methods

HEAVY = ("onnx", "onnxruntime", "rich", "cv2", "torch", "scipy")


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


@pytest.mark.parametrize("folder", [export.fit, export.methods], ids=["fit", "methods"])
def test_the_mathematics_loads_no_graphs_and_no_sessions(folder: object) -> None:
    modules = [m.name for m in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}.")]  # type: ignore[attr-defined]
    assert len(modules) > 3
    assert loaded_by(f"import {', '.join(modules)}").isdisjoint(HEAVY)


def test_importing_the_package_changes_nothing_of_the_caller() -> None:
    code = "import os; before = dict(os.environ); import export; print(before == dict(os.environ))"
    command = [sys.executable, "-c", code]
    environment = {name: value for name, value in os.environ.items() if "THREADS" not in name}
    assert subprocess.check_output(command, text=True, env=environment).strip() == "True"
    assert loaded_by("import export; dir(export)").isdisjoint({*HEAVY, "numpy", "edge_runtime"})
