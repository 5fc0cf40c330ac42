"""The examples of the README's section "From Python", each run as somebody would who copies it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.model import demo
from export.demo.__main__ import draw_folder

README = Path(__file__).resolve().parents[2] / "README.md"
SECTION = "From Python"
#: What is there after ``make demo``; the network that ships stands in for the reduced one, too.
NETWORKS = ("edge_runtime/model/demo.onnx", "build/demo/reduced.onnx")


def examples() -> list[str]:
    """Every block of Python in that section."""
    section = re.search(
        rf"^## {SECTION}\n(.*?)^## ", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert section is not None, f"the README has no section {SECTION}"
    return re.findall(r"^```python\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)


def run(example: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    for name in NETWORKS:
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(demo.path(), folder / name)
    if "build/demo/calibration" in example:
        draw_folder(folder / "build/demo/calibration", seed=3, count=30, labelled=False)
        draw_folder(folder / "build/demo/test", seed=4, count=300, labelled=True)
    (folder / "example.py").write_text(example)
    command = [sys.executable, "-W", "error", "-P", "example.py"]  # -P: the folders above are no packages
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("example", examples(), ids=range(1, len(examples()) + 1))
def test_an_example_runs_and_prints_something(example: str, tmp_path: Path) -> None:
    done = run(example, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_frames_are_run_from_python_as_the_readme_says(tmp_path: Path) -> None:
    (example,) = [text for text in examples() if "Pipeline.open" in text]
    lines = run(example, tmp_path).stdout.splitlines()
    assert len(lines) == 10
    assert all(re.fullmatch(r"frame \d+: \S+ \d+\.\d %", line) for line in lines)


def test_a_network_is_reduced_from_python_as_the_readme_says(tmp_path: Path) -> None:
    (example,) = [text for text in examples() if "reduce(" in text]
    *layers, reduction, before, after = run(example, tmp_path).stdout.splitlines()
    assert len(layers) == 9
    assert float(reduction.split()[0]) >= 3
    assert (before.split()[0], before.split()[2]) == ("edge_runtime/model/demo.onnx", "100.0")
    assert after.split()[0] == "build/demo/from_python.onnx"
    assert float(after.split()[1]) > float(before.split()[1]) - 5 > 90
