"""Faults that no camera produces on demand: a stand-in for picamera2's library, not for our code."""

import sys
import time
import types
from typing import Any, ClassVar

import numpy as np
import pytest

from edge_runtime.errors import CameraError
from edge_runtime.frames import picamera
from edge_runtime.frames.picamera import PicameraSource


class Request:
    def __init__(self, camera: "Picamera2") -> None:
        self._camera = camera

    def make_array(self, stream: str) -> np.ndarray:
        assert stream == "main"
        if self._camera.torn:
            raise RuntimeError("torn frame")
        return np.zeros((*self._camera.main["size"][::-1], 3), np.uint8)

    def get_metadata(self) -> dict[str, Any]:
        return {"SensorTimestamp": time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 40_000_000}

    def release(self) -> None:
        self._camera.held -= 1


class Picamera2:
    """As much of the library as is used, with faults to switch on."""

    busy_times = 0
    opened: ClassVar[list["Picamera2"]] = []

    def __init__(self, number: int) -> None:
        assert number == 0
        if Picamera2.busy_times:
            Picamera2.busy_times -= 1
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.held = self.closed = self.cancelled = 0
        self.torn = self.hangs = self.refuses = False
        Picamera2.opened.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [{"Num": 0}]

    def create_video_configuration(self, main: dict[str, Any], buffer_count: int) -> dict[str, Any]:
        return {"main": main, "buffer_count": buffer_count}

    def configure(self, configuration: dict[str, Any]) -> None:
        self.main = configuration["main"]
        assert self.main["format"] == "RGB888"

    def start(self) -> None:
        if Picamera2.start_fails:
            raise RuntimeError("Failed to allocate buffers")

    start_fails = False

    def capture_request(self, *, wait: bool) -> Request:
        assert not wait
        self.held += 1
        return Request(self)

    def wait(self, job: Request, timeout: float) -> Request:
        if self.hangs:
            self.held -= 1
            raise TimeoutError(timeout)
        return job

    def cancel_all_and_flush(self) -> None:
        self.cancelled += 1

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    monkeypatch.setattr(Picamera2, "opened", [])
    monkeypatch.setattr(Picamera2, "busy_times", 0)
    monkeypatch.setattr(Picamera2, "start_fails", False)


def test_frames_have_the_networks_size_and_the_sensors_time() -> None:
    source = PicameraSource(size=(120, 160))
    frames = iter(source)
    first, second = next(frames), next(frames)
    age_ms = (time.monotonic_ns() - second.captured_ns) / 1e6
    source.close()
    assert first.image.shape == (120, 160, 3)
    assert (first.sequence, second.sequence) == (0, 1)
    assert 40 <= age_ms < 1000
    assert list(frames) == []


def test_sizes_the_isp_cannot_deliver_are_rounded_up() -> None:
    source = PicameraSource(size=(30, 227))
    assert next(iter(source)).image.shape == (64, 228, 3)
    source.close()


def test_a_buffer_goes_back_also_when_reading_it_fails() -> None:
    source = PicameraSource(size=(64, 64))
    Picamera2.opened[0].torn = True
    with pytest.raises(RuntimeError, match="torn"):
        next(iter(source))
    assert Picamera2.opened[0].held == 0
    source.close()


def test_a_camera_that_stops_is_an_error_after_the_time_limit() -> None:
    source = PicameraSource(size=(64, 64), limit_s=0.25)
    Picamera2.opened[0].hangs = True
    with pytest.raises(CameraError, match=r"delivered no frame for 0\.25 s"):
        next(iter(source))
    source.close()
    source.close()
    assert Picamera2.opened[0].cancelled
    assert Picamera2.opened[0].closed == 1


def test_a_busy_camera_is_tried_again_with_growing_delays() -> None:
    Picamera2.busy_times = 2
    delays: list[float] = []
    PicameraSource(size=(64, 64), sleep=delays.append).close()
    assert delays == list(picamera.OPEN_DELAYS_S[:2])


def test_a_camera_that_stays_busy_is_given_up() -> None:
    Picamera2.busy_times = 99
    delays: list[float] = []
    with pytest.raises(CameraError, match="another program may hold it"):
        PicameraSource(size=(64, 64), sleep=delays.append)
    assert delays == list(picamera.OPEN_DELAYS_S)


def test_a_camera_that_does_not_start_is_closed() -> None:
    Picamera2.start_fails = True
    with pytest.raises(CameraError, match="Failed to allocate buffers"):
        PicameraSource(size=(64, 64))
    assert Picamera2.opened[0].closed == 1


@pytest.mark.parametrize("number", [1, -1])
def test_a_camera_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(CameraError, match=rf"there is no camera {number} \(1 found\)"):
        PicameraSource(number, size=(64, 64))
