import threading
import time
from collections.abc import Iterator

import pytest

from edge_runtime.outputs.stream import Picture, PictureStream
from edge_runtime.results.frame_result import FrameResult
from tests.edge_runtime.finished_frames import finished

LIMIT_S = 20.0


class Encoder:
    """Counts what it encodes and can be made to wait."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()

    def __call__(self, frame_result: FrameResult) -> bytes:
        self.entered.set()
        assert self.free.wait(LIMIT_S)
        self.numbers.append(frame_result.frame.sequence)
        if frame_result.frame.sequence == 13:
            raise ValueError("an odd frame")
        return str(frame_result.frame.sequence).encode()


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def stream(encoder: Encoder) -> Iterator[PictureStream]:
    made = PictureStream(encoder)
    yield made
    made.close()


def views(stream: PictureStream, count: int, number: int = 0) -> list[threading.Thread]:
    threads = [threading.Thread(target=stream.after, args=(number, LIMIT_S)) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_nothing_is_encoded_while_nobody_watches(stream: PictureStream, encoder: Encoder) -> None:
    for number in range(100):
        stream.offer(finished(number))
    time.sleep(0.05)
    assert encoder.numbers == []
    assert stream.after(0, LIMIT_S) == Picture(100, b"99")
    assert encoder.numbers == [99]


def test_many_viewers_share_one_encoding(stream: PictureStream, encoder: Encoder) -> None:
    encoder.free.clear()
    stream.offer(finished(1))
    threads = views(stream, 20)
    assert encoder.entered.wait(LIMIT_S)
    encoder.free.set()
    for thread in threads:
        thread.join(LIMIT_S)
    assert encoder.numbers == [1]


def test_who_comes_late_gets_the_newest_and_not_what_others_saw_long_ago(stream: PictureStream) -> None:
    stream.offer(finished(1))
    assert stream.after(0, LIMIT_S) == Picture(1, b"1")
    for number in range(2, 50):
        stream.offer(finished(number))
    assert stream.after(0, LIMIT_S) == Picture(49, b"49")
    assert stream.after(1, LIMIT_S) == Picture(49, b"49")


def test_a_viewer_who_has_the_newest_waits_for_the_next(stream: PictureStream) -> None:
    stream.offer(finished(1))
    assert stream.after(0, LIMIT_S) == Picture(1, b"1")
    assert stream.after(1, 0.02) is None
    timer = threading.Timer(0.02, stream.offer, [finished(2)])
    timer.start()
    assert stream.after(1, LIMIT_S) == Picture(2, b"2")


def test_a_frame_that_cannot_be_encoded_is_said_once_and_skipped(
    stream: PictureStream, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        stream.offer(finished(13))
        assert stream.after(0, 0.2) is None
    stream.offer(finished(14))
    picture = stream.after(0, LIMIT_S)
    assert picture is not None
    assert picture.data == b"14"
    assert [record.getMessage() for record in caplog.records] == [
        "web: a frame cannot be shown: an odd frame"
    ]


def test_closing_ends_all_viewers(stream: PictureStream) -> None:
    threads = views(stream, 3)
    stream.close()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    assert stream.ended
