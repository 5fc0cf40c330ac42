"""Keeping what libraries in C write to standard error (libpng, libjpeg) from standing beside our own lines.

They write to descriptor 2, which belongs to the whole process: other threads, and children that are started
meanwhile. So a program first gives Python's standard error a descriptor of its own, and then descriptor 2
leads nowhere only while a picture is being decoded: no line of ours is lost, and a crash elsewhere is still
heard. Within somebody else's program, which was never asked, nothing changes.
"""

import faulthandler
import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NATIVE_STDERR = 2


class _Silencer:
    """Turns descriptor 2 away while at least one thread asks for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking = 0
        self._nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self.kept = os.dup(NATIVE_STDERR)

    def enter(self) -> None:
        with self._lock:
            self._asking += 1
            if self._asking == 1:
                os.dup2(self._nowhere, NATIVE_STDERR)

    def leave(self) -> None:
        with self._lock:
            self._asking -= 1
            if self._asking == 0:
                os.dup2(self.kept, NATIVE_STDERR)


_silencers: list[_Silencer] = []  # none until a program asked for it, and then one


def part_from_native_stderr() -> None:
    """Give Python's standard error a descriptor of its own, so that ``native_silence`` may work.

    Does nothing where standard error is not the process's own, as in a test that captures it.
    """
    if _silencers or sys.stderr is not sys.__stderr__ or sys.stderr is None:
        return
    try:
        if sys.stderr.fileno() != NATIVE_STDERR:
            return
        silencer = _Silencer()
    except (OSError, ValueError):  # it is closed, or the process has no descriptor left
        return
    # Without a buffer: what a full disk did not take must not be tried again when the program ends.
    raw = io.FileIO(silencer.kept, "w", closefd=False)
    sys.stderr = io.TextIOWrapper(raw, sys.stderr.encoding, sys.stderr.errors, write_through=True)
    if faulthandler.is_enabled():
        faulthandler.enable(sys.stderr)  # it had noted the number of the old one
    _silencers.append(silencer)


@contextmanager
def native_silence() -> Iterator[None]:
    """Keep libraries in C from writing to standard error; may be entered on several threads at once."""
    if not _silencers:
        yield
        return
    _silencers[0].enter()
    try:
        yield
    finally:
        _silencers[0].leave()
