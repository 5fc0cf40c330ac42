"""Results as JSON lines: one object per frame, on its way as soon as the frame is finished."""

import errno
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.results.frame_result import FrameResult

STANDARD_OUTPUT = "-"


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
    """A file of JSON lines in plain ASCII, unbuffered, so that each line is whole for whoever follows it."""

    def __init__(self, target: str, *, append: bool = False, rotation: Rotation | None = None) -> None:
        """Open the file.

        Args:
            target: A file name, or ``-`` for standard output.
            append: Keep what is in it.
            rotation: When to begin a new file; never if None.

        Raises:
            InputError: It cannot be written.
        """
        self._path = Path(target)
        self._standard = target == STANDARD_OUTPUT
        self._name = "standard output" if self._standard else target
        self._rotation = rotation
        try:
            # Descriptors, not Python's files: their buffers would hold back lines, and tear them when full.
            self._handle = 1 if self._standard else self._open(0 if append else os.O_TRUNC)
            self._regular = not self._standard and stat.S_ISREG(os.fstat(self._handle).st_mode)
            self._size = os.fstat(self._handle).st_size if self._regular else 0
            if self._size and _torn(self._path):
                self._write(b"\n")
        except OSError as error:
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

    def _open(self, mode: int) -> int:
        always = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        handle = os.open(
            self._path, always | os.O_NONBLOCK | mode, 0o666
        )  # or a pipe nobody reads holds us up
        os.set_blocking(handle, True)
        return handle

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError:
            if self._regular:  # a full disk may have taken the beginning of the line
                os.ftruncate(self._handle, self._size)
            raise
        self._size += len(line)

    def _rotate(self, keep: int) -> None:
        self.close()
        for number in range(keep - 1, 0, -1):
            if self._numbered(number).exists():
                self._numbered(number).replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self._handle = self._open(0)
        self._size = 0

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
