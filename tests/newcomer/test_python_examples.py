"""The examples in Python of the README and docs/, each run as somebody would who copies it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from edge_runtime.model import demo
from export.demo.__main__ import draw_folder
from tests.newcomer.documents import python_examples

#: What is there after ``make demo``; the network that ships stands in for the reduced one, too.
NETWORKS = ("edge_runtime/model/demo.onnx", "build/demo/reduced.onnx")


Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Done]:
    """Runs an example, each once, however many tests look at what it did."""
    return cache(lambda example: run_in(tmp_path_factory.mktemp("example"), example))


def run_in(folder: Path, example: str) -> Done:
    for name in NETWORKS:
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(demo.path(), folder / name)
    if "build/demo/calibration" in example:
        draw_folder(folder / "build/demo/calibration", seed=3, count=30, labelled=False)
        draw_folder(folder / "build/demo/test", seed=4, count=300, labelled=True)
    (folder / "example.py").write_text(example)
    command = [sys.executable, "-W", "error", "-P", "example.py"]  # -P: the folders above are no packages
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("example", python_examples(), ids=range(1, len(python_examples()) + 1))
def test_an_example_runs_and_prints_something(example: str, run: Callable[[str], Done]) -> None:
    done = run(example)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_frames_are_run_from_python_as_it_is_shown(run: Callable[[str], Done]) -> None:
    (example,) = [text for text in python_examples() if "Pipeline.open" in text]
    lines = run(example).stdout.splitlines()
    assert len(lines) == 10
    assert all(re.fullmatch(r"frame \d+: \S+ \d+\.\d %", line) for line in lines)


def test_a_network_is_reduced_from_python_as_it_is_shown(run: Callable[[str], Done]) -> None:
    (example,) = [text for text in python_examples() if "import evaluate, inspect, reduce" in text]
    *layers, reduction, before, after = run(example).stdout.splitlines()
    assert len(layers) == 9
    assert float(reduction.split()[0]) >= 3
    assert (before.split()[0], before.split()[2]) == ("edge_runtime/model/demo.onnx", "100.0")
    assert after.split()[0] == "build/demo/from_python.onnx"
    assert float(after.split()[1]) > float(before.split()[1]) - 5 > 90
