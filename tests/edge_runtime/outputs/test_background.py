import logging
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from edge_runtime.outputs.background import FrameBackground, PictureBackground, StatusBackground
from edge_runtime.results.frame_result import FrameResult
from edge_runtime.results.status import Status
from tests.edge_runtime.finished_frames import finished, status_source

LIMIT_S = 20.0


class Sink:
    """Records what it gets; fails or hangs while told to."""

    def __init__(self) -> None:
        self.got: list[FrameResult] = []
        self.opened = 0
        self.closed = 0
        self.failing = False
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()

    def open(self) -> "Sink":
        self.opened += 1
        return self

    def publish(self, frame_result: FrameResult) -> None:
        self.entered.set()
        assert self.free.wait(LIMIT_S)
        if self.failing:
            raise OSError(28, "No space left on device")
        self.got.append(frame_result)

    def close(self) -> None:
        self.closed += 1

    @property
    def numbers(self) -> list[int]:
        return [found.frame.sequence for found in self.got]


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_everything_that_waits_is_delivered_before_it_closes() -> None:
    sink = Sink()
    background = FrameBackground("test", sink.open, waiting=100)
    for number in range(50):
        background.publish(finished(number))
    background.close()
    assert sink.numbers == list(range(50))
    assert (sink.opened, sink.closed) == (1, 1)
    assert background.state.skipped == 0


def test_a_slow_output_gets_the_newest_frame_and_what_it_missed_is_counted() -> None:
    sink = Sink()
    sink.free.clear()
    background = FrameBackground("test", sink.open)
    background.publish(finished(0))
    assert sink.entered.wait(LIMIT_S)
    started = time.monotonic()
    for number in range(1, 1000):
        background.publish(finished(number))
    assert time.monotonic() - started < LIMIT_S  # it never waited for the output
    sink.free.set()
    background.close()
    assert sink.numbers == [0, 999]
    assert background.state.skipped == 998


def test_only_who_asks_for_pictures_keeps_them() -> None:
    with_image, without = Sink(), Sink()
    outputs = [PictureBackground("a", with_image.open), FrameBackground("b", without.open)]
    for output in outputs:
        output.publish(finished())
        output.close()
    assert with_image.got[0].frame.image.shape == (48, 64, 3)
    assert without.got[0].frame.image.size == 0


def test_a_failure_is_logged_once_retried_and_its_end_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    sink.failing = True
    background = FrameBackground("test", sink.open, first_delay_s=0.01)
    number = 0
    while sink.opened < 4:
        background.publish(finished(number := number + 1))
        time.sleep(0.005)
    assert background.state.failing
    sink.failing = False
    eventually(lambda: bool(background.publish(finished()) or sink.got))
    eventually(lambda: not background.state.failing)
    background.close()
    assert [record.getMessage() for record in caplog.records] == [
        "test: [Errno 28] No space left on device; trying again until it works",
        "test works again",
    ]
    assert sink.closed == sink.opened


def test_an_output_that_cannot_be_opened_is_opened_later() -> None:
    sink = Sink()
    tries = []

    def open_third_time() -> Sink:
        tries.append(0)
        if len(tries) < 3:
            raise ConnectionRefusedError
        return sink.open()

    background = FrameBackground("test", open_third_time, first_delay_s=0.01)
    eventually(lambda: bool(background.publish(finished()) or sink.got))
    background.close()


def test_it_is_opened_before_the_first_frame() -> None:
    sink = Sink()
    background = FrameBackground("test", sink.open)
    eventually(lambda: sink.opened == 1)
    background.close()
    assert (sink.opened, sink.closed) == (1, 1)


def test_what_cannot_be_opened_is_known_and_tried_again_without_a_frame(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink()
    tries = []

    def open_third_time() -> Sink:
        tries.append(0)
        if len(tries) < 3:
            raise ConnectionRefusedError(111, "Connection refused")
        return sink.open()

    background = FrameBackground("test", open_third_time, first_delay_s=0.01)
    eventually(lambda: sink.opened == 1)
    assert len(caplog.records) == 1
    assert background.state.skipped == 0
    background.publish(finished())
    eventually(lambda: sink.numbers == [0])
    background.close()


def test_attempts_become_rarer() -> None:
    times: list[float] = []

    def refuse() -> Sink:
        times.append(time.monotonic())
        raise ConnectionRefusedError

    background = FrameBackground("test", refuse, first_delay_s=0.02)
    eventually(lambda: bool(background.publish(finished()) or len(times) >= 5))
    background.close()
    gaps = [after - before for before, after in pairwise(times[:5])]
    assert all(gap >= wanted for gap, wanted in zip(gaps, (0.02, 0.04, 0.08, 0.16), strict=True))


def test_closing_does_not_wait_for_the_next_attempt(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    sink = Sink()
    sink.failing = True
    background = FrameBackground("test", sink.open, waiting=9, first_delay_s=600.0)
    for number in range(9):
        background.publish(finished(number))
    eventually(lambda: background.state.failing)
    background.close()
    assert sink.opened == 1


def test_frames_are_apart_by_the_interval_and_the_last_is_not_lost() -> None:
    sink = Sink()
    background = FrameBackground("test", sink.open, interval_s=600.0)
    background.publish(finished(0))
    eventually(lambda: len(sink.got) == 1)
    for number in range(1, 5):
        background.publish(finished(number))
    background.close()
    assert sink.numbers == [0, 4]


def test_a_hanging_output_is_left_behind_after_a_time_that_begins_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_runtime.outputs.background.JOIN_LIMIT_S", 0.2)
    sinks = [Sink() for _ in range(20)]
    outputs = [FrameBackground("test", sink.open) for sink in sinks]
    for sink, output in zip(sinks, outputs, strict=True):
        sink.free.clear()
        output.publish(finished())
        assert sink.entered.wait(LIMIT_S)
    started = time.monotonic()
    for output in outputs:
        output.end()
    for output in outputs:
        output.close()
    assert time.monotonic() - started < 20 * 0.2
    for sink in sinks:
        sink.free.set()


class StatusSink:
    """Records what it is told."""

    def __init__(self) -> None:
        self.told: list[Status] = []
        self.free = threading.Event()

    def publish(self, status: Status) -> None:
        self.told.append(status)
        assert self.free.wait(LIMIT_S)

    def close(self) -> None:
        pass


def test_a_status_is_that_of_the_moment_when_the_output_is_told() -> None:
    sink, source = StatusSink(), status_source()
    background = StatusBackground("test", lambda: sink)
    background.refresh(source.now)
    eventually(lambda: len(sink.told) == 1)
    background.refresh(source.now)
    source.summary.add(finished(3))  # while the output is still busy with the first
    sink.free.set()
    background.close()
    assert [status.run.frames for status in sink.told] == [0, 1]


def test_a_status_that_was_overtaken_is_counted_as_a_frame_would_be() -> None:
    sink, source = StatusSink(), status_source()
    background = StatusBackground("test", lambda: sink)
    background.refresh(source.now)
    eventually(lambda: len(sink.told) == 1)
    for _ in range(10):
        background.refresh(source.now)
    sink.free.set()
    background.close()
    assert (len(sink.told), background.state.skipped) == (2, 9)
