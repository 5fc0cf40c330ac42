import threading
from collections.abc import Iterator

import numpy as np
import pytest

from edge_runtime.errors import CameraError, InputError
from edge_runtime.frames.base import Frame
from edge_runtime.frames.newest import Newest

IMAGE = np.zeros((4, 4, 3), np.uint8)


class Source:
    """A live source that delivers a burst of frames, then does what the test asks."""

    live = True

    def __init__(
        self, burst: int, *, error: Exception | None = None, hang: bool = False, limit_s: float = 10
    ) -> None:
        self._burst = burst
        self.limit_s = limit_s
        self._error = error
        self._hang = hang
        self.delivered = threading.Event()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for sequence in range(self._burst):
            yield Frame(IMAGE, sequence, sequence)
        self.delivered.set()
        if self._hang:
            self.closed.wait(30)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed.set()


def capture_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "capture"]


def test_a_late_reader_gets_only_the_newest_frame() -> None:
    source = Source(10)
    newest = Newest(source)
    source.delivered.wait(10)
    assert [frame.sequence for frame in newest] == [9]
    newest.close()


def test_an_exception_of_the_source_reaches_the_reader_after_the_last_frame() -> None:
    source = Source(3, error=InputError("the film tore"))
    newest = Newest(source)
    source.delivered.wait(10)
    frames = iter(newest)
    assert next(frames).sequence == 2
    with pytest.raises(InputError, match="the film tore"):
        next(frames)
    newest.close()


def test_a_source_that_hangs_is_given_up() -> None:
    source = Source(1, hang=True, limit_s=0.05)
    newest = Newest(source)
    frames = iter(newest)
    assert next(frames).sequence == 0
    with pytest.raises(CameraError, match=r"no frame came for 0\.05 s"):
        next(frames)
    newest.close()
    assert source.closed.is_set()


def test_close_ends_the_thread_and_a_waiting_reader() -> None:
    source = Source(0, hang=True)
    newest = Newest(source)
    closer = threading.Timer(0.05, newest.close)
    closer.start()
    assert list(newest) == []
    closer.join()
    newest.close()
    assert capture_threads() == []
