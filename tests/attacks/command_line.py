"""Running ``pi-export`` as a user would, within this process or as one of its own."""

import contextlib
import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from export.cli import main

TIMEOUT_S = 120


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: Its exit code.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
    """

    code: int
    out: str
    err: str


def run_here(*arguments: str | Path) -> Outcome:
    """Run ``pi-export`` within this process: quick."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ending:
            code = int(ending.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def run_apart(*arguments: str | Path) -> Outcome:
    """Run ``pi-export`` as a process of its own: for what may crash, hang or take all memory."""
    command = [sys.executable, "-m", "export.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_one_line(outcome: Outcome, code: int, says: str = "") -> None:
    """The command failed with this code and one line on standard error that says what is wrong."""
    assert outcome.code == code, outcome.err
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("pi-export: error: ")
    assert says in lines[0]
