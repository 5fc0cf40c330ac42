"""Results as JSON lines: one object per frame, on its way as soon as the frame is finished."""

import json
from types import TracebackType
from typing import Any, Self

from edge_runtime.errors import InputError

STANDARD_OUTPUT = "-"


class JsonLines:
    """A file of JSON lines in plain ASCII, unbuffered, so that each line is whole for whoever follows it."""

    def __init__(self, target: str) -> None:
        """Open the file, replacing what was in it.

        Args:
            target: A file name, or ``-`` for standard output.

        Raises:
            InputError: It cannot be written.
        """
        self._target = "standard output" if target == STANDARD_OUTPUT else target
        standard = target == STANDARD_OUTPUT
        try:
            # Closed by __exit__; descriptor 1 is only borrowed.
            self._file = open(1 if standard else target, "wb", buffering=0, closefd=not standard)  # noqa: SIM115
        except OSError as error:
            raise self._cannot_write(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, document: dict[str, Any]) -> None:
        """Write one line.

        Raises:
            InputError: The disk is full or the file cannot be written.
            BrokenPipeError: Nobody reads any more.
        """
        line = memoryview(json.dumps(document, allow_nan=False, separators=(",", ":")).encode() + b"\n")
        try:
            while line:
                line = line[self._file.write(line) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> InputError:
        return InputError(f"cannot write {self._target}: {error.strerror or error}")
