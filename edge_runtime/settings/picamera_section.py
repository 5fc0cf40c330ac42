"""``[picamera]``: how the Pi's camera is set up. Other sources do not read it."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from edge_runtime.settings.option import Option

FORMATS = ("RGB888", "YUV420")  # of all that the ISP writes, the one that needs no work and the smallest
AUTOFOCUS = ("continuous", "once", "off")
SIDES_PX = (64, 8192)  # the ISP of a Pi 4 gives no smaller picture; a larger one is a slip


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of ``WIDTHxHEIGHT``. Raises ``ValueError`` that says what it must be."""
    # ASCII, or the digits of other scripts would count as digits.
    sides = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text, re.ASCII)
    width, height = map(int, sides.groups()) if sides else (0, 0)
    low, high = SIDES_PX
    if not (low <= min(width, height) and max(width, height) <= high):
        raise ValueError(f"must be WIDTHxHEIGHT, as 640x480, with sides from {low} to {high}")
    return height, width


def _format(text: str) -> None:
    _require(text, FORMATS)


def _autofocus(text: str) -> None:
    _require(text, AUTOFOCUS)


def _rotation(degrees: int) -> None:
    _require(degrees, (0, 180))


def _require(value: Any, allowed: tuple[Any, ...]) -> None:
    if value not in allowed:
        names = [str(name) for name in allowed]
        raise ValueError(f"must be {', '.join(names[:-1])} or {names[-1]}")


@dataclass(frozen=True)
class PicameraConfig:
    """``[picamera]``: the Pi's camera; what is not set is left to the network's input and to the camera."""

    size: Annotated[
        str | None,
        Option(
            "--camera-size",
            "size of the camera's frames (default: what the network takes)",
            "WIDTHxHEIGHT",
            check=parse_size,
        ),
    ] = None
    format: Annotated[
        str,
        Option(
            "--camera-format",
            "RGB888, or YUV420 at half the buffers' memory",
            "|".join(FORMATS),
            check=_format,
        ),
    ] = "RGB888"
    framerate: Annotated[
        float | None,
        Option("--framerate", "frames a second from the camera (default: 30)", "FPS", low=0.1, high=1000),
    ] = None
    rotation: Annotated[
        int, Option("--rotation", "turn the picture by 0 or 180 degrees", "0|180", check=_rotation)
    ] = 0
    hflip: Annotated[bool, Option("--hflip", "mirror the picture left to right")] = False
    vflip: Annotated[bool, Option("--vflip", "mirror the picture top to bottom")] = False
    autofocus: Annotated[
        str | None,
        Option(
            "--autofocus",
            "continuous, once at the start, or off (default: continuous where the lens moves)",
            "|".join(AUTOFOCUS),
            check=_autofocus,
        ),
    ] = None
    exposure_us: Annotated[
        int | None,
        Option(
            "--exposure-us", "exposure in microseconds (default: automatic)", "US", low=1, high=600_000_000
        ),
    ] = None
    gain: Annotated[
        float | None, Option("--gain", "the sensor's gain (default: automatic)", "G", low=1, high=64)
    ] = None
