"""``from export import ...``: lazy, complete, and without a trace in the caller's process."""

import json
import subprocess
import sys

import pytest

import export
from tests.export.reductions import PROJECT

HEAVY = ("numpy", "onnx", "onnxruntime", "cv2", "rich", "edge_runtime")


def loaded_by(statement: str) -> list[str]:
    """What a fresh process has loaded of ``HEAVY`` after a statement, which may not touch its environment."""
    program = (
        "import json, os, sys\n"
        "before = dict(os.environ)\n"
        f"{statement}\n"
        "assert dict(os.environ) == before\n"
        f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def test_importing_loads_and_changes_nothing() -> None:
    assert loaded_by("import export") == []
    assert loaded_by("import export; dir(export); 'evaluate' in export.__all__") == []


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_by("import numpy") == ["numpy"]


@pytest.mark.parametrize("name", export.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    assert name in dir(export)
    part = getattr(export, name)
    assert part.__name__ == name
    assert part.__doc__


def test_the_commands_use_the_very_functions() -> None:
    from export.judge.evaluate import evaluate
    from export.network.inspection import inspect

    assert export.evaluate is evaluate
    assert export.inspect is inspect


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'export' has no attribute 'inspekt'"):
        _ = export.inspekt  # type: ignore[attr-defined]
