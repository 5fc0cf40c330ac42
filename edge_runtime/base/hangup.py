"""SIGHUP as daemons take it: log files are opened again, as ``logrotate`` asks after it has moved them.

The same signal says that a terminal went, with whoever watched the run; the two are told apart by looking.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType


class Reopening:
    """Asks outputs to open their files anew: a count, so that asking is safe in a signal handler.

    Attributes:
        asked: How often it was asked for.
    """

    def __init__(self) -> None:
        self.asked = 0

    def ask(self) -> None:
        """Have each file opened anew before the next line is written to it."""
        self.asked += 1


def hangups_reopen(reopening: Reopening, lost: type[BaseException]) -> AbstractContextManager[None]:
    """Ask for reopening whenever SIGHUP comes, while this context is entered.

    Args:
        reopening: What is asked.
        lost: Raised in the main thread instead where the terminal went that the run was started from; under
            ``nohup``, which has the signal ignored, a run outlives its terminal.
    """
    watched = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()

    def hear() -> None:
        if watched and not _has_terminal():
            raise lost
        reopening.ask()

    return _hangups_call(hear)


def hangups_passed_over() -> AbstractContextManager[None]:
    """Have SIGHUP not end a program that still loads what will handle it, while this context is entered."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # to be seen by whoever handles it later
        return nullcontext()
    return _hangups_call(lambda: None)


@contextmanager
def _hangups_call(action: Callable[[], None]) -> Iterator[None]:
    """In any other thread than the main one, where Python handles no signals, this does nothing."""

    def hear(_number: int, _frame: FrameType | None) -> None:
        action()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _has_terminal() -> bool:
    """Whether there is a controlling terminal: the kernel takes it away before it sends the signal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
