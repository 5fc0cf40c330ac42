"""What comes upon ``pi-export`` while it works: Ctrl-C, a full disk. Nothing partial may be left."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.images import good_images
from tests.attacks.networks import write_network

SIZE = 96
DEADLINE_S = 60
WELL_UNDER_WAY_BYTES = 1_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_network(tmp_path / "model.onnx", size=SIZE)
    (tmp_path / "card.json").write_text(f'{{"input": {{"size": [{SIZE}, {SIZE}], "scale": 0.01}}}}')
    good_images(tmp_path / "images", count=300)
    (tmp_path / "scratch").mkdir()
    return tmp_path


def start_reduction(
    folder: Path, prepare: Callable[[], None] | None = None, *options: str
) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "export.cli", "reduce", "model.onnx", "--images", "images", "-o", "out.onnx",
        "--speedup", "1.5", "--input", "card.json", "--json", "out.json", "--report", "report", *options,
    ]  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(folder / "scratch"), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,  # noqa: PLW1509  one resource limit, no locks taken
    )


def scratch_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "scratch").rglob("*") if path.is_file())


def left_behind(folder: Path) -> list[str]:
    known = {"model.onnx", "card.json", "images", "scratch", "report"}
    outside = [path.name for path in folder.iterdir() if path.name not in known]
    return outside + [str(path) for place in ("scratch", "report") for path in (folder / place).glob("*")]


def test_ctrl_c_in_the_middle_leaves_nothing(folder: Path) -> None:
    child = start_reduction(folder)
    deadline = time.monotonic() + DEADLINE_S
    while scratch_bytes(folder) < WELL_UNDER_WAY_BYTES and time.monotonic() < deadline:
        assert child.poll() is None, child.communicate()
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 130
    assert (out, err) == ("", "")
    assert left_behind(folder) == []


def test_full_disk_ends_with_one_line_and_leaves_nothing(folder: Path) -> None:
    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (WELL_UNDER_WAY_BYTES, WELL_UNDER_WAY_BYTES))

    child = start_reduction(folder, limit_file_size)
    out, err = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 2
    assert out == ""
    assert err.startswith("pi-export: error: ")
    assert len(err.splitlines()) == 1
    assert left_behind(folder) == []


def test_closed_output_ends_quietly(folder: Path) -> None:
    options = ["inspect", str(folder / "model.onnx"), "--input", str(folder / "card.json")]
    command = [sys.executable, "-m", "export.cli", *options]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.close()
    _, err = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 141
    assert err == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_standard_streams_lead_nowhere(folder: Path, closed: str) -> None:
    command = f'"{sys.executable}" -m export.cli inspect "$0" --input "$1" {closed}'
    done = subprocess.run(
        ["sh", "-c", command, str(folder / "model.onnx"), str(folder / "card.json")],
        capture_output=True, text=True, check=False, timeout=DEADLINE_S,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (not closed.startswith(">"))
