"""Ctrl-C from a program's first line to its last: it never ends in a traceback, and is never lost.

An exception that comes up while a library loads is no good: some libraries report it as a failure of their
own, some swallow it, and the program goes on. So before a command works, when there is nothing to close,
Ctrl-C ends the process at once, also while the command loads what it needs. While it works, Ctrl-C raises
``KeyboardInterrupt``, by which what is open is closed on the way out; where something is just being imported
for that work, as soon as it is there.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # as a shell reports a program that was ended by SIGINT: 128 and the signal's number
RETRY_S = 0.02
IMPORTING = "<frozen importlib._bootstrap>"  # the file of the frames below which a module is loaded


class _Process:
    """What this process is: within somebody else's program, their handler is left alone."""

    ours = False
    works = False


def own_process() -> None:
    """Say that this process is a program of ours, from now to its end."""
    # Whoever started us may have it ignored, as a shell does for what runs in the background.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        _Process.ours = True
        signal.signal(signal.SIGINT, _interrupt)


@contextmanager
def working() -> Iterator[None]:
    """Have Ctrl-C raise ``KeyboardInterrupt`` while this context is entered, as it does in other programs."""
    _Process.works = True
    try:
        yield
    finally:
        _Process.works = False


def end_interrupted() -> None:
    """End the process now where it is a program of ours: all is closed and said.

    The interpreter's own end may fail, and say so, in the middle of what a library does on a thread.
    """
    if _Process.ours:
        os._exit(INTERRUPTED)


def postponed(number: int, frame: FrameType | None) -> bool:
    """Whether a signal came in the middle of an import: then it will come again in a moment.

    Args:
        number: Of the signal, which is being handled.
        frame: Where the main thread stands, as the handler was told.
    """
    if importer(frame) is None:
        return False
    again = threading.Timer(RETRY_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
    return True


def importer(frame: FrameType | None) -> str | None:
    """The module that began the import which is going on at a frame, however many others it led to.

    Args:
        frame: Where a thread stands.

    Returns:
        The module's name; None where nothing is being imported.
    """
    name = None
    while frame is not None:
        if frame.f_code.co_filename == IMPORTING and frame.f_back is not None:
            name = str(frame.f_back.f_globals.get("__name__"))
        frame = frame.f_back
    return name


def _interrupt(number: int, frame: FrameType | None) -> None:
    # A command imports what it needs before it opens anything.
    if not _Process.works or ".commands." in (importer(frame) or ""):
        os._exit(INTERRUPTED)
    if not postponed(number, frame):
        raise KeyboardInterrupt
