"""Faults that no camera produces on demand: a stand-in for picamera2's library, not for our code.

The real library on a virtual camera is in tests/camera.
"""

import logging
import os
import sys
import threading
import time
import types
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from edge_runtime.base.errors import CameraError, InputError
from edge_runtime.frames import picamera
from edge_runtime.frames.picamera import PicameraSource
from edge_runtime.model.card import InputSpec
from edge_runtime.settings.picamera_section import PicameraConfig

SQUARE = InputSpec((64, 64))
WHOLE = (8, 8, 3264, 2448)


class Request:
    def __init__(self, camera: "Picamera2") -> None:
        self.camera = camera

    def get_metadata(self) -> dict[str, Any]:
        self.camera.stamp_ns += 33_333_000 * (1 + self.camera.lost)
        return {"SensorTimestamp": self.camera.stamp_ns, "FrameDuration": 33_333}

    def release(self) -> None:
        self.camera.held -= 1


class MappedArray:
    """The buffer of a request, whose rows begin at multiples of 64 bytes."""

    def __init__(self, request: Request, stream: str, *, reshape: bool) -> None:
        assert stream == "main"
        assert not reshape
        self._camera = request.camera

    def __enter__(self) -> Self:
        if self._camera.torn:
            raise RuntimeError("torn frame")
        main = self._camera.given["main"]
        self.array = np.full(main["stride"] * main["size"][1] + 4096, 77, np.uint8)
        return self

    def __exit__(self, *_: object) -> None:
        self.array.fill(0)  # the camera writes the next frame here


class Transform:
    def __init__(self, hflip: int = 0, vflip: int = 0) -> None:
        self.flips = (bool(hflip), bool(vflip))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transform) and self.flips == other.flips

    def __hash__(self) -> int:
        return hash(self.flips)


class Picamera2:
    """As much of the library as is used, with faults to switch on."""

    busy_times = 0
    start_fails = False
    flips = True
    gives = "RGB888"
    opened: ClassVar[list["Picamera2"]] = []
    camera_controls: ClassVar[dict[str, tuple[Any, Any, Any]]] = {}
    sensor_resolution = (3280, 2464)

    def __init__(self, number: int) -> None:
        assert number == 0
        if Picamera2.busy_times:
            Picamera2.busy_times -= 1
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.held = self.closed = self.lost = 0
        self.torn = self.hangs = False
        self.close_fails = False
        self.controls_set: dict[str, Any] = {}
        self.stamp_ns = time.monotonic_ns() - 10 * 33_333_000
        self.cancelled = threading.Event()
        Picamera2.opened.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [{"Num": 0}]

    def create_video_configuration(self, **configuration: Any) -> dict[str, Any]:
        return configuration

    def configure(self, configuration: dict[str, Any]) -> None:
        self.wanted = configuration
        width, height = configuration["main"]["size"]
        stride = -(-width * 3 // 64) * 64
        main = {"size": (width, height), "format": Picamera2.gives, "stride": stride}
        transform = configuration["transform"] if Picamera2.flips else Transform()
        self.given = {"main": main, "transform": transform}

    def camera_configuration(self) -> dict[str, Any]:
        return self.given

    def set_controls(self, controls: dict[str, Any]) -> None:
        self.controls_set |= controls

    def start(self) -> None:
        if Picamera2.start_fails:
            raise RuntimeError("Failed to allocate buffers")

    def capture_request(self, *, wait: bool) -> Request:
        assert not wait
        self.held += 1
        return Request(self)

    def wait(self, job: Request, timeout: float) -> Request:
        if self.hangs:
            self.held -= 1
            if self.cancelled.wait(timeout):
                raise CancelledError
            raise TimeoutError
        return job

    def cancel_all_and_flush(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        self.closed += 1
        if self.close_fails:
            raise RuntimeError("Input/output error")


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    module.MappedArray = MappedArray  # type: ignore[attr-defined]
    libcamera = types.ModuleType("libcamera")
    libcamera.Transform = Transform  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    monkeypatch.setitem(sys.modules, "libcamera", libcamera)
    for name, value in {"opened": [], "busy_times": 0, "start_fails": False, "camera_controls": {}}.items():
        monkeypatch.setattr(Picamera2, name, value)


def test_frames_have_the_networks_size_and_the_sensors_time() -> None:
    source = PicameraSource(spec=InputSpec((120, 162)))
    frames = iter(source)
    first, second = next(frames), next(frames)
    age_ms = (time.monotonic_ns() - second.captured_ns) / 1e6
    source.close()
    assert first.image.shape == (120, 162, 3)
    assert (first.image == 77).all()
    assert (first.sequence, second.sequence) == (0, 1)
    assert second.captured_ns - first.captured_ns == 33_333_000
    assert 8 * 33 <= age_ms < 1000
    assert list(frames) == []


def test_frames_lost_before_they_reach_us_leave_gaps() -> None:
    source = PicameraSource(spec=SQUARE)
    frames = iter(source)
    next(frames)
    Picamera2.opened[0].lost = 2
    assert next(frames).sequence == 3
    source.close()


def test_one_configuration_of_few_buffers_and_no_raw_ones() -> None:
    PicameraSource(spec=InputSpec((30, 227))).close()
    wanted = Picamera2.opened[0].wanted
    assert wanted["main"] == {"size": (486, 64), "format": "RGB888"}
    assert wanted["buffer_count"] == 4
    assert wanted["raw"] is None
    assert wanted["sensor"] == {"output_size": (1640, 1232)}


@pytest.mark.parametrize(
    ("config", "flips"),
    [
        (PicameraConfig(), (False, False)),
        (PicameraConfig(rotation=180), (True, True)),
        (PicameraConfig(rotation=180, hflip=True), (False, True)),
        (PicameraConfig(vflip=True), (False, True)),
    ],
)
def test_turning_and_mirroring_are_left_to_the_sensor(
    config: PicameraConfig, flips: tuple[bool, bool]
) -> None:
    PicameraSource(spec=SQUARE, config=config).close()
    assert Picamera2.opened[0].wanted["transform"].flips == flips


def test_a_camera_that_cannot_mirror_is_no_quiet_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picamera2, "flips", False)
    with pytest.raises(CameraError, match="cannot flip or turn"):
        PicameraSource(spec=SQUARE, config=PicameraConfig(hflip=True))
    assert Picamera2.opened[0].closed == 1
    PicameraSource(spec=SQUARE).close()


def test_a_format_nobody_can_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picamera2, "gives", "MJPEG")
    with pytest.raises(CameraError, match="MJPEG"):
        PicameraSource(spec=SQUARE)
    assert Picamera2.opened[0].closed == 1


@pytest.mark.parametrize(
    ("resize", "available", "wanted"),
    [
        ("warp", {"ScalerCrop": (0, WHOLE, 0)}, {"ScalerCrop": WHOLE}),
        ("warp", {"ScalerCrop": (0, WHOLE, 0), "ScalerCrops": (0, 0, 0)}, {"ScalerCrops": [WHOLE]}),
        ("warp", {}, {}),
        ("crop", {"ScalerCrop": (0, WHOLE, 0)}, {}),
        ("letterbox", {"ScalerCrop": (0, WHOLE, 0)}, {}),
    ],
)
def test_the_field_of_view_is_squeezed_only_for_networks_that_learnt_so(
    monkeypatch: pytest.MonkeyPatch, resize: str, available: dict[str, Any], wanted: dict[str, Any]
) -> None:
    monkeypatch.setattr(Picamera2, "camera_controls", available)
    PicameraSource(spec=InputSpec((64, 64), resize=resize)).close()
    assert Picamera2.opened[0].controls_set == wanted


def test_a_buffer_goes_back_also_when_reading_it_fails() -> None:
    source = PicameraSource(spec=SQUARE)
    Picamera2.opened[0].torn = True
    with pytest.raises(RuntimeError, match="torn"):
        next(iter(source))
    assert Picamera2.opened[0].held == 0
    source.close()


def test_a_camera_that_stops_is_an_error_after_the_time_limit() -> None:
    source = PicameraSource(spec=SQUARE, capture_limit_s=0.1)
    assert 0.1 < source.limit_s < 1
    Picamera2.opened[0].hangs = True
    with pytest.raises(CameraError, match=r"delivered no frame for 0\.233 s"):
        next(iter(source))
    source.close()
    source.close()
    assert Picamera2.opened[0].closed == 1


def test_a_slow_camera_is_given_more_time() -> None:
    config = PicameraConfig(framerate=0.5)
    Picamera2.camera_controls["FrameDurationLimits"] = (100, 10_000_000, None)
    source = PicameraSource(spec=SQUARE, config=config)
    source.close()
    assert source.limit_s > 10
    assert Picamera2.opened[0].wanted["controls"] == {"FrameRate": 0.5}


def test_close_wakes_up_a_capture_that_waits() -> None:
    source = PicameraSource(spec=SQUARE, capture_limit_s=60)
    Picamera2.opened[0].hangs = True
    closer = threading.Timer(0.05, source.close)
    closer.start()
    assert list(source) == []
    closer.join()
    assert Picamera2.opened[0].closed == 1


def test_a_camera_that_was_torn_out_and_does_not_close_hides_no_other_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = PicameraSource(spec=SQUARE)
    Picamera2.opened[0].close_fails = True
    with caplog.at_level(logging.DEBUG):
        source.close()
    assert "Input/output error" in caplog.text


def test_a_busy_camera_is_tried_again_with_growing_delays() -> None:
    Picamera2.busy_times = 2
    delays: list[float] = []
    PicameraSource(spec=SQUARE, sleep=delays.append).close()
    assert delays == list(picamera.OPEN_DELAYS_S[:2])


def test_a_camera_that_stays_busy_is_given_up() -> None:
    Picamera2.busy_times = 99
    delays: list[float] = []
    with pytest.raises(CameraError, match="another program may hold it"):
        PicameraSource(spec=SQUARE, sleep=delays.append)
    assert delays == list(picamera.OPEN_DELAYS_S)


def test_the_holder_of_a_busy_camera_is_named(tmp_path: Path) -> None:
    media = tmp_path / "dev" / "media0"
    comm = tmp_path / "proc" / "4711" / "comm"
    for file in (media, comm):
        file.parent.mkdir(parents=True)
    media.touch()
    comm.write_text("rpicam-hello\n")
    place = f"{os.major(media.stat().st_dev):02x}:{os.minor(media.stat().st_dev):02x}:{media.stat().st_ino}"
    (tmp_path / "proc" / "locks").write_text(f"1: POSIX  ADVISORY  WRITE 4711 {place} 0 EOF\n")
    Picamera2.busy_times = 99
    with pytest.raises(CameraError, match=r"/dev/media0 is held by rpicam-hello \(process 4711\).*kill 4711"):
        PicameraSource(spec=SQUARE, sleep=lambda _: None, root=tmp_path)


def test_a_camera_that_does_not_start_is_closed() -> None:
    Picamera2.start_fails = True
    with pytest.raises(CameraError, match="Failed to allocate buffers"):
        PicameraSource(spec=SQUARE)
    assert Picamera2.opened[0].closed == 1


def test_settings_that_contradict_each_other_close_the_camera_too() -> None:
    with pytest.raises(InputError, match="--framerate"):
        PicameraSource(spec=SQUARE, config=PicameraConfig(exposure_us=100_000))
    assert Picamera2.opened[0].closed == 1


@pytest.mark.parametrize("number", [1, -1])
def test_a_camera_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(CameraError, match=rf"there is no camera {number} \(1 found\)"):
        PicameraSource(number, spec=SQUARE)
