import signal
import threading
from collections.abc import Iterator

import pytest

from edge_runtime.base.termination import ended_like_interrupted, signals_raise


class Ended(BaseException):
    pass


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give back whatever a test leaves behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_becomes_an_exception_and_afterwards_what_it_was() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _frame: heard.append(number))
    with pytest.raises(Ended), signals_raise(Ended, signal.SIGUSR1):
        signal.raise_signal(signal.SIGUSR1)
    assert heard == []
    signal.raise_signal(signal.SIGUSR1)
    assert heard == [signal.SIGUSR1]


def test_what_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals_raise(Ended, signal.SIGHUP):
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_is_like_an_interruption(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), ended_like_interrupted():
        signal.raise_signal(number)


def test_other_threads_which_hear_no_signals_change_nothing() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def enter() -> None:
        with ended_like_interrupted():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [handler]
