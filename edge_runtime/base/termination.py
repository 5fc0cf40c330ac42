"""Being told to end: a signal becomes an exception, so that what is open is closed on the way out."""

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

from edge_runtime.base.interrupts import postponed


@contextmanager
def signals_raise(exception: type[BaseException], *numbers: signal.Signals) -> Iterator[None]:
    """Raise ``exception`` in the main thread when one of these signals comes, while this context is entered.

    Signals that whoever started us had ignored, as ``nohup`` does, stay ignored. In any other thread, where
    Python handles no signals, this does nothing.

    Args:
        exception: What to raise.
        numbers: The signals.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if not postponed(number, frame):
            raise exception

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, end)
    try:
        yield
    finally:
        # Given back, for we may run within a program that handles them in its own way.
        for number in heeded:
            signal.signal(number, before[number])


def ended_like_interrupted() -> AbstractContextManager[None]:
    """Have SIGTERM and SIGHUP end the program as Ctrl-C does, while this context is entered."""
    return signals_raise(KeyboardInterrupt, signal.SIGTERM, signal.SIGHUP)
