"""How both programs use standard output and error: whatever these are, nothing ends in a traceback."""

import logging
import os
import sys

from edge_runtime.base.errors import one_line
from edge_runtime.base.native_noise import part_from_native_stderr


def survive_any_terminal(program: str) -> None:
    """Escape what the terminal's encoding lacks instead of dying of it, and show warnings as plain lines.

    Args:
        program: Whose warnings they are, for their beginning.
    """
    _replace_closed_streams()
    part_from_native_stderr()
    # A label with an umlaut, on a terminal or in a log that is set to ASCII.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings = logging.StreamHandler()
    warnings.setFormatter(_OneLine(f"{program}: warning: %(message)s"))
    logging.basicConfig(handlers=[warnings], level=logging.WARNING)


def discard_stdout() -> None:
    """Have standard output lead nowhere, once nobody reads it or it cannot be written to."""
    # When it ends, the interpreter flushes once more: into a broken pipe, that would be a traceback.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def _replace_closed_streams() -> None:
    """Have a standard stream that our caller closed lead nowhere, before a file of ours takes its number."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))
