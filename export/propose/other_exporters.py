"""What other exporters write about the input: ONNX's own words for images, and OpenVINO's ``model_info``.

ONNX names three keys (``Image.BitmapPixelFormat``, ``Image.ColorSpaceGamma``, ``Image.NominalPixelRange``);
Azure Custom Vision and converters from Core ML write them. OpenVINO's training extensions and Geti write keys
such as ``model_info mean_values``; the channels' order is not in them, for it depends on how their caller
reads images.
"""

import math
from collections.abc import Iterator, Mapping

from export.propose.fields import Field

_COLOURS = {"gray8": "GRAY", "rgb8": "RGB", "rgba8": "RGB", "bgr8": "BGR", "bgra8": "BGR"}
#: Scale and mean for each range of pixels.
_RANGES = {
    "nominalrange_0_255": (1.0, 0.0),
    "normalized_0_1": (1 / 255, 0.0),
    "normalized_1_1": (1 / 127.5, 1.0),
}
_RESIZES = {"standard": "warp", "crop": "crop", "fit_to_window_letterbox": "letterbox"}


def from_other_exporters(metadata: Mapping[str, str], channels: int) -> tuple[Field, ...]:
    """The fields of a card that an exporter's metadata tells.

    Args:
        metadata: What stands in the file.
        channels: Of the network's input; values for another number of them are left out.
    """
    return (*_of_onnx(metadata, channels), *_of_openvino(metadata, channels))


def _of_onnx(metadata: Mapping[str, str], channels: int) -> Iterator[Field]:
    words = {key.lower(): value.lower() for key, value in metadata.items()}
    colour = _COLOURS.get(words.get("image.bitmappixelformat", ""))
    if colour is not None and (colour == "GRAY") == (channels == 1):
        yield Field("input.colour", colour, "its Image.BitmapPixelFormat")
    scale, mean = _RANGES.get(words.get("image.nominalpixelrange", ""), (None, None))
    if scale is not None:
        for key, value in {"scale": scale, "mean": mean, "std": 1.0}.items():
            yield Field(f"input.{key}", value, "its Image.NominalPixelRange")


def _of_openvino(metadata: Mapping[str, str], channels: int) -> Iterator[Field]:
    said = {key.removeprefix("model_info "): value for key, value in metadata.items()}
    if "model_info model_type" not in metadata:
        return
    means, deviations = (_numbers(said.get(key, ""), channels) for key in ("mean_values", "scale_values"))
    if means or deviations:
        yield Field("input.scale", 1.0, "its mean_values and scale_values, of pixels from 0 to 255")
        yield Field("input.mean", means or 0.0, "its mean_values")
        yield Field("input.std", deviations or 1.0, "its scale_values")
    if said.get("resize_type") in _RESIZES:
        yield Field("input.resize", _RESIZES[said["resize_type"]], "its resize_type")
    if said.get("pad_value", "").isascii() and said.get("pad_value", "").isdigit():
        yield Field("input.pad", min(int(said["pad_value"][:4]), 255), "its pad_value")
    if said.get("labels", "").strip():
        yield Field("labels", said["labels"].split(), "its labels")


def _numbers(text: str, channels: int) -> list[float] | None:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return None
    return numbers if len(numbers) == channels and all(map(math.isfinite, numbers)) else None
