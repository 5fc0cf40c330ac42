"""What to ask of the Pi's camera for a network: the size of its frames, and its controls."""

import math
from collections.abc import Mapping
from typing import Any

from edge_runtime.base.errors import CameraError, InputError
from edge_runtime.model.card import InputSpec
from edge_runtime.settings.picamera_section import PicameraConfig, parse_size

SMALLEST_SIDE = 64  # the ISP of a Pi 4 gives none smaller; the preprocessor does the rest
FRAMERATE = 30.0  # picamera2's own choice for video

# libcamera's AfModeEnum and AfTriggerEnum
_AUTOFOCUS: Mapping[str, dict[str, Any]] = {
    "off": {"AfMode": 0},
    "once": {"AfMode": 1, "AfTrigger": 0},
    "continuous": {"AfMode": 2},
}


def stream_size(spec: InputSpec, sensor: tuple[int, int], asked: str | None = None) -> tuple[int, int]:
    """Width and height, in pixels and even, of the frames to ask the camera for.

    The ISP then scales exactly as the preprocessor would: ``letterbox`` asks for the part of the input that
    the picture fills, ``warp`` and ``crop`` for the whole input (see ``crops_field_of_view``).

    Args:
        spec: How the network takes its frames.
        sensor: Height and width of the sensor.
        asked: ``WIDTHxHEIGHT`` instead.
    """
    height, width = parse_size(asked) if asked is not None else spec.size
    if asked is None and spec.resize == "letterbox":
        # Bars take no bandwidth here: the preprocessor adds them.
        scale = min(height / sensor[0], width / sensor[1])
        height, width = max(1, round(sensor[0] * scale)), max(1, round(sensor[1] * scale))
    enlarge = max(1.0, SMALLEST_SIDE / min(height, width))
    return _even(width * enlarge), _even(height * enlarge)


def sensor_size(main: tuple[int, int], native: tuple[int, int]) -> tuple[int, int]:
    """Which of the sensor's modes to prefer, as width and height.

    Left alone, picamera2 takes the mode nearest to the small frames of a network, and on many sensors that
    one sees only the middle of the picture. Half the native size sees all of it, by binning.

    Args:
        main: Width and height of the frames, in pixels.
        native: Width and height of the whole sensor, in pixels.
    """
    half = (native[0] // 2, native[1] // 2)
    return half if main[0] <= half[0] and main[1] <= half[1] else native


def crops_field_of_view(spec: InputSpec, asked: str | None) -> bool:
    """Whether the ISP shall keep the aspect by cutting what stands out, instead of squeezing all of it in."""
    return spec.resize != "warp" or asked is not None


def controls(config: PicameraConfig, available: Mapping[str, tuple[Any, Any, Any]]) -> dict[str, Any]:
    """The camera's controls to set, by libcamera's names for them.

    Args:
        config: What the user asked for.
        available: What the camera has: the least and the greatest value of each control, and the default.

    Raises:
        CameraError: It lacks something the user asked for, or the value is beyond its limits.
        InputError: The exposure is longer than a frame.
    """
    # libcamera would quietly shorten the exposure to the time of a frame.
    longest_us = 1e6 / (config.framerate or FRAMERATE)
    if config.exposure_us is not None and config.exposure_us > longest_us:
        raise InputError(
            f"an exposure of {config.exposure_us} us is longer than a frame: "
            f"give --framerate {1e6 / config.exposure_us:.3g} or less"
        )
    wanted: dict[str, Any] = {}
    if config.framerate is not None:
        _require(available, "FrameDurationLimits", "its rate of frames cannot be set (--framerate)")
        wanted["FrameRate"] = config.framerate
    if config.autofocus is not None:
        _require(available, "AfMode", "its lens does not move (--autofocus)")
    if "AfMode" in available:
        wanted |= _AUTOFOCUS[config.autofocus or "continuous"]
    for name, value, flag in (
        ("ExposureTime", config.exposure_us, "--exposure-us"),
        ("AnalogueGain", config.gain, "--gain"),
    ):
        if value is not None:
            _require_within(available, name, value, flag)
            wanted[name] = value
    return wanted


def _require(available: Mapping[str, Any], name: str, lack: str) -> None:
    if name not in available:
        raise CameraError(f"this camera cannot do that: {lack}")


def _require_within(
    available: Mapping[str, tuple[Any, Any, Any]], name: str, value: float, flag: str
) -> None:
    _require(available, name, f"it takes no {flag}")
    low, high, _ = available[name]
    # A camera that names no greatest value gives 0 for it, or the least: then there is no upper bound.
    if not (value >= low and (high <= low or value <= high)):
        raise CameraError(f"this camera takes {flag} from {low:g} to {high:g}, not {value:g}")


def _even(side: float) -> int:
    # Rounded before it is rounded up, or an error in the last bit of 64 would make it 66.
    return 2 * math.ceil(round(side, 3) / 2)
