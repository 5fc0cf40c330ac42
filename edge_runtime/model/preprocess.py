"""Frame to tensor: resize, colour, normalise, layout. Calibration, evaluation and the Pi all run this."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.card import InputSpec
from edge_runtime.model.image import Image, Placement, Tensor, as_image

_INTERPOLATION = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}


class Preprocessor:
    """Turns frames of any size into one network's input, without allocating per frame.

    Normalisation is one table look-up per pixel and channel: the 256 possible values are computed once in
    float64, so every machine rounds them alike.

    Attributes:
        spec: How frames become that input.
    """

    def __init__(self, spec: InputSpec, element: str = "float32") -> None:
        """Prepare the buffers and tables of one network's input.

        Args:
            spec: How frames become the input; channels come first where its layout is not known.
            element: numpy's name of the type that the network takes: ``float32``, ``float16`` or ``uint8``.
        """
        height, width = spec.size
        last = spec.layout == "NHWC"
        self.spec = spec
        self._tensor: Tensor = np.empty(
            (1, height, width, spec.channels) if last else (1, spec.channels, height, width), element
        )
        self._parts = _parts(self._tensor[0], _tables(spec, element), channels_last=last)
        self._looks_up = element != "uint8"  # pixels as they are need none
        self._canvas = np.full((height, width, 3), spec.pad, np.uint8)
        self._selected = np.empty(
            (height, width, 3) if last and spec.channels == 3 else (height, width), np.uint8
        )
        self._canvas_placement: Placement | None = None  # whose bars are painted already

    def __call__(self, image: Image) -> Tensor:
        """Prepare one frame.

        Args:
            image: (H, W, 3) uint8, blue, green, red as OpenCV decodes.

        Returns:
            (1, channels, height, width), or (1, height, width, channels) where the layout is ``NHWC``: a
            buffer that the next call overwrites.
        """
        scaled = self._scale(image)
        for part in self._parts:
            if self._looks_up:
                cv2.LUT(self._select(scaled, part.channel, self._selected), part.table, dst=part.target)
            elif self._select(scaled, part.channel, part.target) is scaled:
                np.copyto(part.target, scaled)
        return self._tensor

    def placement(self, image: Image) -> Placement:
        """Where an image (H, W, 3) will lie in the network's input, for mapping boxes back."""
        height, width = self.spec.size
        scale_y, scale_x = height / image.shape[0], width / image.shape[1]
        if self.spec.resize == "warp":
            return Placement(scale_x, scale_y, 0, 0)
        scale = min(scale_x, scale_y) if self.spec.resize == "letterbox" else max(scale_x, scale_y)
        inner_width = max(1, round(image.shape[1] * scale))
        inner_height = max(1, round(image.shape[0] * scale))
        return Placement(
            inner_width / image.shape[1],  # not scale: the rounding to whole pixels counts in mapping back
            inner_height / image.shape[0],
            (width - inner_width) // 2,
            (height - inner_height) // 2,
        )

    def _scale(self, image: Image) -> Image:
        height, width = self.spec.size
        if image.shape[:2] == (height, width):
            return image
        place = self.placement(image)
        inner = (round(image.shape[1] * place.scale_x), round(image.shape[0] * place.scale_y))
        if self.spec.resize == "warp":
            return _resize(image, (width, height), self.spec.interpolation, self._canvas)
        if self.spec.resize == "crop":
            scaled = _resize(image, inner, self.spec.interpolation)
            # Here the offsets are negative or 0: so much sticks out at the left and at the top.
            return scaled[-place.offset_y :, -place.offset_x :][:height, :width]
        if place != self._canvas_placement:
            self._canvas[:] = self.spec.pad
            self._canvas_placement = place
        window = self._canvas[place.offset_y :, place.offset_x :][: inner[1], : inner[0]]
        _resize(image, (window.shape[1], window.shape[0]), self.spec.interpolation, window)
        return self._canvas

    def _select(self, image: Image, channel: int | None, into: Image) -> Image:
        """One channel of a frame, or all, in the order of the card: written into a buffer, or as they are."""
        if self.spec.colour == "GRAY":
            return as_image(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=into))
        if channel is not None:
            index = channel if self.spec.colour == "BGR" else 2 - channel
            return as_image(cv2.extractChannel(image, index, dst=into))
        return (
            image if self.spec.colour == "BGR" else as_image(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=into))
        )


@dataclass(frozen=True)
class _Part:
    """What one look-up fills: a plane where channels come first, all channels where they come last.

    Attributes:
        channel: Which channel; None for all.
        table: The value of each of the 256 pixels, for each channel.
        target: Where the values go: a part of the tensor.
    """

    channel: int | None
    table: NDArray[Any]
    target: NDArray[Any]


def _parts(values: NDArray[Any], tables: Sequence[NDArray[Any]], *, channels_last: bool) -> list[_Part]:
    if values.dtype == np.float16:  # OpenCV looks up none; as whole numbers of 16 bits they are only moved
        values, tables = values.view(np.uint16), [table.view(np.uint16) for table in tables]
    if channels_last and len(tables) > 1:
        return [_Part(None, np.stack(tables, axis=-1)[None], values)]
    planes = np.moveaxis(values, -1, 0) if channels_last else values
    return [_Part(channel, table, planes[channel]) for channel, table in enumerate(tables)]


def _tables(spec: InputSpec, element: str) -> list[NDArray[Any]]:
    pixels = np.arange(256, dtype=np.float64) * spec.scale
    with np.errstate(over="ignore"):  # what float16 cannot hold is infinite, and shows in the outputs
        return [
            ((pixels - mean) / std).astype(element) for mean, std in zip(spec.mean, spec.std, strict=True)
        ]


def _resize(image: Image, size: tuple[int, int], interpolation: str, into: Image | None = None) -> Image:
    if interpolation == "auto":
        shrinking = size[0] * size[1] < image.shape[0] * image.shape[1]
        interpolation = "area" if shrinking else "bilinear"
    result = as_image(cv2.resize(image, size, dst=into, interpolation=_INTERPOLATION[interpolation]))
    if into is not None and result is not into:
        into[:] = result  # OpenCV reallocated: the target was a view it could not write into
        return into
    return result
