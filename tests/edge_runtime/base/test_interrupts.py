"""Ctrl-C while a program starts: it ends with 130, and says nothing, whatever it was about to load."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.networks import write_network

# Sends the signal when a module is looked for, which is when nothing else tells how far the start has come.
HOOK = """
import os, signal, sys

class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPT_AT"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_network(tmp_path / "m.onnx")
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    return tmp_path


def interrupted_at(module: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of ours and send it SIGINT when it begins to import a module."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "PYTHONPATH": f"{folder}:{Path.cwd()}", "INTERRUPT_AT": module},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "module",
    [
        "edge_runtime.base.program",
        "argparse",
        "edge_runtime.commands.live",
        "edge_runtime.settings.flags",
        "edge_runtime.runs.live",
        "numpy",
        "numpy.linalg",
        "cv2",
        "onnxruntime",
        "edge_runtime.frames.demo",
        "edge_runtime.postprocess.classify",
    ],
)
def test_the_live_command(module: str, folder: Path) -> None:
    done = interrupted_at(module, folder, "edge_runtime.cli", "--source", "demo", "--model", "m.onnx")
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("module", ["edge_runtime.base.program", "export.commands.inspect", "numpy", "onnx"])
def test_the_exporter(module: str, folder: Path) -> None:
    done = interrupted_at(module, folder, "export.cli", "inspect", "m.onnx")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_without_the_signal_they_do_their_work(folder: Path) -> None:
    done = interrupted_at("of.no.name", folder, "export.cli", "inspect", "m.onnx")
    assert done.returncode == 0
    assert "3 layers" in done.stdout
