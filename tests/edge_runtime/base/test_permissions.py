"""Files and folders we may not touch: one line each, also where only looking at them is forbidden."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MakeNetwork = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
NOBODY = 65534


@pytest.fixture
def run_restricted(tmp_path: Path) -> Run:
    """``pi-infer`` without root's power to read and write everything."""
    prefix: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may do everything, and setpriv (util-linux) is not here to change that")
        prefix = ["setpriv", "--inh-caps", "-all", "--bounding-set", "-dac_override,-dac_read_search"]

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [*prefix, sys.executable, "-m", "edge_runtime.cli", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def deny() -> Iterator[Callable[[Path], None]]:
    """Take all rights to a folder away, until the test ends."""
    denied: list[Path] = []

    def take_away(path: Path) -> None:
        denied.append(path)
        path.chmod(0)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)

    yield take_away
    for path in denied:
        path.chmod(0o700)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "tiny.onnx", "--source", "closed"),
        ("--model", "tiny.onnx", "--source", "closed/pictures"),
        ("--source", "pictures", "--model", "closed/m.onnx"), ("--config", "closed/c.toml"),
        ("--source", "pictures", "--model", "tiny.onnx", "--input", "closed/c.json"),
        ("--source", "pictures", "--model", "tiny.onnx", "--jsonl", "closed/x"),
        ("--source", "pictures", "--model", "tiny.onnx", "--prometheus-textfile", "closed/x.prom"),
        ("bench", "closed/m.onnx"),
        ("bench", "tiny.onnx", "--json", "closed/x"), ("doctor", "--json", "closed/x"),
    ],
    ids=lambda arguments: arguments[-2],
)  # fmt: skip
def test_a_closed_folder_is_one_line(
    run_restricted: Run, deny: Callable[[Path], None], make_network: MakeNetwork, pictures: Path,
    arguments: tuple[str, ...],
) -> None:  # fmt: skip
    make_network()
    shutil.copytree(pictures, pictures.with_name("closed") / "pictures")
    deny(pictures.with_name("closed"))
    done = run_restricted(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("pi-infer: error: cannot ")
    assert "closed" in done.stderr
    assert "Permission denied" in done.stderr


def test_a_closed_subfolder_is_named_and_the_rest_is_read(
    run_restricted: Run, deny: Callable[[Path], None], make_network: MakeNetwork, pictures: Path
) -> None:
    deny(pictures / "square")
    done = run_restricted("--source", pictures, "--model", make_network())
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("1 frame, ")
    assert done.stderr == f"pi-infer: warning: skipped: cannot list {pictures}/square: Permission denied\n"
