from typing import Any

import pytest
from hypothesis import given, strategies as st

from edge_runtime.base.errors import CameraError, InputError
from edge_runtime.frames.picamera_setup import (
    SMALLEST_SIDE,
    controls,
    crops_field_of_view,
    sensor_size,
    stream_size,
)
from edge_runtime.frames.sensor_clock import SensorClock
from edge_runtime.model.card import InputSpec
from edge_runtime.settings.picamera_section import AUTOFOCUS, PicameraConfig, parse_size

CAMERA_MODULE_3 = (2592, 4608)
CAMERA_MODULE_2 = (2464, 3280)
EVERYTHING: dict[str, tuple[Any, Any, Any]] = {
    "FrameDurationLimits": (100, 10_000_000, None),
    "AfMode": (0, 2, 0),
    "ExposureTime": (26, 220_000, 20_000),
    "AnalogueGain": (1.0, 16.0, 1.0),
}


@pytest.mark.parametrize(
    ("spec", "sensor", "size"),
    [
        (InputSpec((320, 320), resize="letterbox"), CAMERA_MODULE_3, (320, 180)),
        (InputSpec((320, 320), resize="letterbox"), CAMERA_MODULE_2, (320, 240)),
        (InputSpec((320, 320), resize="warp"), CAMERA_MODULE_3, (320, 320)),
        (InputSpec((224, 224), resize="crop"), CAMERA_MODULE_3, (224, 224)),
        (InputSpec((227, 227)), CAMERA_MODULE_3, (228, 228)),
        (InputSpec((30, 30)), CAMERA_MODULE_3, (64, 64)),
        (InputSpec((30, 60), resize="crop"), CAMERA_MODULE_3, (128, 64)),
    ],
)
def test_the_isp_scales_to_the_networks_input(
    spec: InputSpec, sensor: tuple[int, int], size: tuple[int, int]
) -> None:
    assert stream_size(spec, sensor) == size


def test_another_size_may_be_asked_for() -> None:
    spec = InputSpec((30, 30), resize="letterbox")
    assert stream_size(spec, CAMERA_MODULE_3, "641x480") == (642, 480)
    assert not crops_field_of_view(InputSpec((30, 30)), None)
    assert crops_field_of_view(InputSpec((30, 30)), "640x480")


@given(
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.sampled_from(["warp", "crop", "letterbox"]),
    st.sampled_from([CAMERA_MODULE_2, CAMERA_MODULE_3]),
)
def test_no_stream_is_odd_or_too_small_and_the_aspect_stays(
    height: int, width: int, resize: str, sensor: tuple[int, int]
) -> None:
    got = stream_size(InputSpec((height, width), resize=resize), sensor)
    assert all(side % 2 == 0 and side >= SMALLEST_SIDE for side in got)
    wanted = (width, height)
    if resize == "letterbox":  # the largest picture of the sensor's shape in the input
        fit = min(height / sensor[0], width / sensor[1])
        wanted = (max(1, round(sensor[1] * fit)), max(1, round(sensor[0] * fit)))
    scale = max(1, SMALLEST_SIDE / min(wanted))
    assert got == pytest.approx((wanted[0] * scale, wanted[1] * scale), abs=2)


def test_the_sensor_sees_its_whole_field_of_view() -> None:
    assert sensor_size((224, 224), (3280, 2464)) == (1640, 1232)
    assert sensor_size((1920, 1080), (3280, 2464)) == (3280, 2464)


def test_controls_are_those_asked_for_and_autofocus_runs_by_itself() -> None:
    assert controls(PicameraConfig(), {}) == {}
    assert controls(PicameraConfig(), EVERYTHING) == {"AfMode": 2}
    config = PicameraConfig(framerate=10, autofocus="once", exposure_us=50_000, gain=2.5)
    assert controls(config, EVERYTHING) == {
        "FrameRate": 10,
        "AfMode": 1,
        "AfTrigger": 0,
        "ExposureTime": 50_000,
        "AnalogueGain": 2.5,
    }
    modes = {mode: controls(PicameraConfig(autofocus=mode), EVERYTHING)["AfMode"] for mode in AUTOFOCUS}
    assert modes == {"off": 0, "once": 1, "continuous": 2}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PicameraConfig(framerate=10), "--framerate"),
        (PicameraConfig(autofocus="off"), "lens does not move"),
        (PicameraConfig(exposure_us=100), "--exposure-us"),
        (PicameraConfig(gain=2), "--gain"),
    ],
)
def test_what_a_camera_lacks_is_an_error(config: PicameraConfig, message: str) -> None:
    with pytest.raises(CameraError, match=message):
        controls(config, {})


def test_values_beyond_the_cameras_limits_name_them() -> None:
    with pytest.raises(CameraError, match="--gain from 1 to 16, not 20"):
        controls(PicameraConfig(gain=20), EVERYTHING)
    with pytest.raises(CameraError, match="--exposure-us from 26 to 220000, not 10"):
        controls(PicameraConfig(exposure_us=10), EVERYTHING)
    assert controls(PicameraConfig(gain=16), EVERYTHING)["AnalogueGain"] == 16
    assert controls(PicameraConfig(gain=1), EVERYTHING)["AnalogueGain"] == 1
    boundless = {**EVERYTHING, "AnalogueGain": (1.0, 0.0, 1.0)}
    assert controls(PicameraConfig(gain=20), boundless)["AnalogueGain"] == 20


def test_an_exposure_must_fit_into_its_frame() -> None:
    with pytest.raises(InputError, match="give --framerate 10 or less"):
        controls(PicameraConfig(exposure_us=100_000), EVERYTHING)
    assert controls(PicameraConfig(exposure_us=100_000, framerate=10), EVERYTHING)["ExposureTime"] == 100_000


@pytest.mark.parametrize(
    "text", ["640", "640x", "x480", "640X480", "63x480", "640x9000", "-64x64", "\u0666\u0664x480"]
)
def test_sizes_that_make_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match="WIDTHxHEIGHT"):
        parse_size(text)


def numbers(*frames: tuple[float, float]) -> list[int]:
    """Of frames with these time stamps and durations, in milliseconds."""
    clock = SensorClock()
    return [
        clock.read({"SensorTimestamp": int(stamp * 1e6), "FrameDuration": int(duration * 1e3)}).sequence
        for stamp, duration in frames
    ]


def test_time_stamps_tell_how_many_frames_were_lost() -> None:
    assert numbers((0, 33), (33, 33), (99, 33), (133, 33), (333, 33)) == [0, 1, 3, 4, 10]


def test_a_frame_that_took_longer_is_no_lost_frame() -> None:
    assert numbers((0, 33), (33, 33), (99, 66), (165, 66), (198, 33), (231, 33)) == [0, 1, 2, 3, 4, 5]


def test_without_time_stamps_or_durations_every_frame_counts_once() -> None:
    clock = SensorClock()
    assert [clock.read(metadata).sequence for metadata in ({}, {"SensorTimestamp": 10**9}, {})] == [0, 1, 2]
    assert numbers((0, 0), (500, 0)) == [0, 1]


def test_both_clocks_that_drivers_use_give_the_age(monkeypatch: pytest.MonkeyPatch) -> None:
    suspended_ns = 10**12
    monkeypatch.setattr("time.monotonic_ns", lambda: 5 * 10**12)
    monkeypatch.setattr("time.clock_gettime_ns", lambda _: 5 * 10**12 + suspended_ns)
    taken_ns = 5 * 10**12 - 40_000_000
    assert SensorClock().read({"SensorTimestamp": taken_ns}).captured_ns == taken_ns
    assert SensorClock().read({"SensorTimestamp": taken_ns + suspended_ns}).captured_ns == taken_ns
