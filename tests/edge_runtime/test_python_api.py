"""``from edge_runtime import Model, ModelCard, Pipeline``: there when asked for, and not before."""

import subprocess
import sys

import pytest

import edge_runtime

HEAVY = {"cv2", "numpy", "onnxruntime"}


def loaded_after(code: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded once it has run ``code``."""
    asked = f"import sys; {code}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import edge_runtime; dir(edge_runtime)") == set()


@pytest.mark.parametrize("name", ["Model", "Pipeline"])
def test_a_name_brings_what_it_needs(name: str) -> None:
    assert loaded_after(f"from edge_runtime import {name}") == HEAVY - {"onnxruntime"}


def test_an_engine_is_loaded_with_a_network() -> None:
    opened = "from edge_runtime import Model; from edge_runtime.model import demo; Model.open(demo.path())"
    assert loaded_after(opened) == HEAVY


def test_a_card_needs_no_library() -> None:
    assert loaded_after("from edge_runtime import ModelCard") == set()


def test_every_name_is_there_and_listed() -> None:
    for name in edge_runtime.__all__:
        assert getattr(edge_runtime, name)
        assert name in dir(edge_runtime)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'edge_runtime' has no attribute 'Modle'"):
        edge_runtime.Modle  # type: ignore[attr-defined]  # noqa: B018
