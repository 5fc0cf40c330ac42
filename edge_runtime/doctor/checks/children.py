"""Questions put to child processes, all at once and with one time limit.

What we ask may crash, hang or flood its output: an import of a broken library, a firmware tool, a network
that is too large. The answers are data; nothing here raises.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

KEPT_BYTES = 64 << 10  # of each output; a version, a fact or a last line of errors needs far less
ENVIRONMENT = {
    "ORT_DISABLE_TELEMETRY": "1",
    "LIBCAMERA_LOG_LEVELS": "*:ERROR",
    "OPENBLAS_NUM_THREADS": "1",  # or importing numpy starts a thread per processor
    "PYTHONWARNINGS": "ignore",
}


class Outcome(StrEnum):
    """How a child process ended."""

    DONE = "done"
    FAILED = "failed"
    KILLED = "killed by a signal"
    LATE = "did not end in time"
    ABSENT = "could not be started"


@dataclass(frozen=True)
class Answer:
    """What a child process said, and how it ended.

    Attributes:
        outcome: How the child ended.
        output: Its standard output, the first 64 KiB.
        errors: Its standard error, the first 64 KiB.
        signal: Name of the signal that killed it, for example ``SIGILL``.
    """

    outcome: Outcome
    output: str = ""
    errors: str = ""
    signal: str = ""

    @property
    def complaint(self) -> str:
        """Why the child did not get it done, in a few words: its last line of errors, or how it ended."""
        if self.outcome is Outcome.KILLED:
            return f"killed by {self.signal}"
        # The last line: that of a Python traceback is the error itself.
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        said_why = lines and self.outcome in (Outcome.FAILED, Outcome.ABSENT)
        return lines[-1][:300] if said_why else str(self.outcome)


def ask(commands: Mapping[str, Sequence[str]], limit_s: float) -> dict[str, Answer]:
    """Run commands all at the same time, each in a child process.

    Args:
        commands: What to run, by a name of your own.
        limit_s: When whatever still runs is killed.

    Returns:
        The answer of each, by the same names.
    """
    deadline = time.monotonic() + limit_s
    children = {name: _Child(command) for name, command in commands.items()}
    return {name: child.answer(deadline) for name, child in children.items()}


class _Child:
    """A process whose output goes to memory: no pipe that fills, no disk that must have room."""

    def __init__(self, command: Sequence[str]) -> None:
        self._output, self._errors = (os.memfd_create("output") for _ in range(2))
        self._process: subprocess.Popen[bytes] | None = None
        self._refusal = ""
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._errors,
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,  # so that its children die with it
            )
        except (OSError, ValueError) as error:
            self._refusal = getattr(error, "strerror", None) or str(error)

    def answer(self, deadline: float) -> Answer:
        if self._process is None:
            self._close()
            return Answer(Outcome.ABSENT, errors=self._refusal)
        try:
            code = self._process.wait(max(0.0, deadline - time.monotonic()))
            outcome = Outcome.KILLED if code < 0 else Outcome.FAILED if code else Outcome.DONE
        except subprocess.TimeoutExpired:
            code, outcome = self._kill(self._process), Outcome.LATE
        texts = (_kept(self._output), _kept(self._errors))
        self._close()
        return Answer(outcome, *texts, signal=_signal_name(-code) if code < 0 else "")

    def _kill(self, process: subprocess.Popen[bytes]) -> int:
        # The group, for what the child started would go on, and keep us waiting.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            return process.wait(0.5)
        except subprocess.TimeoutExpired:  # stuck in a driver: the kernel ends it when it can
            return -signal.SIGKILL

    def _close(self) -> None:
        os.close(self._output)
        os.close(self._errors)


def _kept(descriptor: int) -> str:
    return os.pread(descriptor, KEPT_BYTES, 0).decode(errors="replace")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
