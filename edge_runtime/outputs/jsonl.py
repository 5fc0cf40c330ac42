"""Results as JSON lines: one object per frame, on its way as soon as the frame is finished."""

import errno
import fcntl
import json
import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.base.errors import InputError, InUseError
from edge_runtime.base.hangup import Reopening
from edge_runtime.results.frame_result import FrameResult

STANDARD_OUTPUT = "-"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rotation:
    """When a file is full and how many full ones are kept: FILE.1 is the newest of them.

    Attributes:
        limit_bytes: No file grows beyond it, unless a single line is longer.
        keep: How many full files, at least 1.
    """

    limit_bytes: int
    keep: int


class JsonLines:
    """A file of JSON lines in plain ASCII, unbuffered, so that each line is whole for whoever follows it.

    The file is locked, so that no two runs mix their lines.
    """

    def __init__(
        self,
        target: str,
        *,
        append: bool = False,
        rotation: Rotation | None = None,
        reopening: Reopening | None = None,
    ) -> None:
        """Open the file.

        Args:
            target: A file name, or ``-`` for standard output.
            append: Keep what is in it.
            rotation: When to begin a new file; never if None.
            reopening: Says when to open the file anew, for somebody has moved it; never if None.

        Raises:
            InUseError: Another run writes it.
            InputError: It cannot be written.
        """
        self._path = Path(target)
        self._standard = target == STANDARD_OUTPUT
        self._name = "standard output" if self._standard else target
        self._rotation = rotation
        self._reopening = reopening or Reopening()
        self._reopened = self._reopening.asked
        # Descriptors, not Python's files: their buffers would hold back lines, and tear them when full.
        self._handle = -1
        self._regular = False
        self._size = 0
        try:
            self._open(append=append)
        except OSError as error:
            self.close()
            raise self._cannot_write(error) from error

    def publish(self, frame_result: FrameResult) -> None:
        """Write a frame as one line.

        Raises:
            InputError: The disk is full or the file cannot be written; no part of the line stays in it.
            BrokenPipeError: Nobody reads any more.
        """
        document = frame_result.to_document()
        line = json.dumps(document, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        try:
            if self._reopened != self._reopening.asked:
                self._reopened = self._reopening.asked
                self.close()
                self._open(append=True)
            if self._rotation and self._regular and 0 < self._size > self._rotation.limit_bytes - len(line):
                self._rotate(self._rotation.keep)
            self._write(line)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._cannot_write(error) from error

    def close(self) -> None:
        """Close the file; standard output stays open. Safe to call twice."""
        if not self._standard and self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)

    def _open(self, *, append: bool) -> None:
        if self._standard:
            self._handle = 1
            return
        # Without waiting, or a pipe that nobody reads would hold us up.
        mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        self._handle = os.open(self._path, mode, 0o666)
        os.set_blocking(self._handle, True)
        self._regular = stat.S_ISREG(os.fstat(self._handle).st_mode)
        if self._regular:
            self._lock()
            if not append:
                os.ftruncate(self._handle, 0)  # not before the lock: they may be another run's lines
            self._size = os.fstat(self._handle).st_size
            if self._size and _torn(self._path):
                self._write(b"\n")

    def _lock(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise InUseError(
                f"cannot write {self._name}: another run writes it; give each a file of its own"
            ) from error
        except OSError as error:  # some network drives know no locks
            log.debug("%s: %s", self._name, error)

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._handle, line[written:])
        except OSError:
            if self._regular:  # a full disk may have taken the beginning of the line
                os.ftruncate(self._handle, os.fstat(self._handle).st_size - written)
            raise
        self._size += len(line)

    def _rotate(self, keep: int) -> None:
        self.close()
        for number in range(keep - 1, 0, -1):
            if self._numbered(number).exists():
                self._numbered(number).replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self._open(append=True)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _cannot_write(self, error: OSError) -> InputError:
        reason = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror or error
        return InputError(f"cannot write {self._name}: {reason}")


def _torn(path: Path) -> bool:
    """Whether the last line lacks its end: the power went while it was written."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
