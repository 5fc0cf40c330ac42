"""Raspberry Pi cores in emulation: an arm64 Debian with the aarch64 wheels, and an instruction counter."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
CORES = {"pi4": "cortex-a72", "pi5": "cortex-a76"}
REPORT = pytest.StashKey[list[str]]()


@dataclass(frozen=True)
class Instructions:
    """Executed between the two marks of ``infer.py``: repeatable, but not time."""

    total: int
    fused_multiply_add: int
    dot_product: int


@dataclass(frozen=True)
class Board:
    """An emulated Raspberry Pi.

    Attributes:
        name: ``pi4`` or ``pi5``.
        built: The folder that ``make_tree.sh`` filled.
    """

    name: str
    built: Path

    def python(self, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the Pi's Python; fails the test if it ends badly."""
        tree = self.built / self.name
        environment = {
            "PATH": "/usr/bin",
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "PYTHONHOME": "/usr",
            "PYTHONPATH": f"{tree}/opt/site:{PROJECT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "OPENBLAS_NUM_THREADS": "1",
        }
        emulator = ["qemu-aarch64", "-L", tree, "-cpu", CORES[self.name], "-plugin", self.built / "count.so"]
        done = subprocess.run(
            [*emulator, tree / "usr/bin/python3.13", *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{self.name}: {arguments} ended with {done.returncode}: {done.stderr}"
        return done

    def counted(self, *arguments: str | Path) -> Instructions:
        """Run the Pi's Python on a program that marks one stretch; what was executed in it."""
        counts = [line for line in self.python(*arguments).stderr.splitlines() if line.startswith("{")]
        assert len(counts) == 1
        return Instructions(**json.loads(counts[0]))


@pytest.fixture(scope="module", params=sorted(CORES))
def board(request: pytest.FixtureRequest, built_once: Callable[[Path], Path]) -> Board:
    """Each emulated board, if the tests in emulation were asked for."""
    if os.environ.get("PI_INFER_TEST_ARM") != "1":
        pytest.skip("set PI_INFER_TEST_ARM=1 to run on emulated Raspberry Pi cores")
    missing = [tool for tool in ("qemu-aarch64", "mmdebstrap", "gcc") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (apt-get install qemu-user mmdebstrap gcc libc6-dev)")
    return Board(request.param, built_once(HERE / "make_tree.sh"))


@pytest.fixture
def report_line(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """``report_line(text)``: a line that stands at the end of pytest's output."""
    return request.config.stash.setdefault(REPORT, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the measured figures, for they are worth seeing also when all is well."""
    for line in config.stash.get(REPORT, []):
        terminalreporter.write_line(line)
