import os
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge_runtime.base.errors import CameraError, InputError
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


class SparingCamera(Source):
    """A hundred frames, 5 ms apart, of which it hands out the wanted ones."""

    def __init__(self) -> None:
        super().__init__(0)
        self.wanted: Callable[[], bool] = lambda: True
        self.converted = 0

    def __iter__(self) -> Iterator[Frame]:
        for sequence in range(100):
            time.sleep(0.005)
            if self.wanted():
                self.converted += 1
                yield Frame(IMAGE, sequence, sequence)


def test_a_camera_may_spare_the_frames_a_slow_reader_will_never_see() -> None:
    source = SparingCamera()
    newest = Newest(source)
    taken = []
    for frame in newest:
        taken.append(frame.sequence)
        time.sleep(0.05)
    newest.close()
    assert len(taken) >= 2
    assert len(taken) <= source.converted < 100


def test_reading_gives_way_to_the_network() -> None:
    source = Source(0, hang=True)
    newest = Newest(source)
    (thread,) = capture_threads()
    assert thread.native_id is not None
    deadline = time.monotonic() + 10
    while os.getpriority(os.PRIO_PROCESS, thread.native_id) <= os.getpriority(os.PRIO_PROCESS, 0):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    newest.close()


def test_a_reader_that_waits_is_idle_on_its_own_thread() -> None:
    source = Source(1, hang=True)
    idle: list[threading.Thread] = []

    def note() -> None:
        idle.append(threading.current_thread())
        if len(idle) == 2:
            source.close()

    newest = Newest(source, note)
    assert [frame.sequence for frame in newest] == [0]
    newest.close()
    assert set(idle) == {threading.current_thread()}
