"""Frame to tensor: resize, colour, normalise, layout. Calibration, evaluation and the Pi all run this."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.card import InputSpec
from edge_runtime.model.image import Image, Placement, Tensor

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

    def __init__(self, spec: InputSpec) -> None:
        height, width = spec.size
        self.spec = spec
        self._tensor = np.empty((1, spec.channels, height, width), np.float32)
        self._canvas = np.full((height, width, 3), spec.pad, np.uint8)
        self._plane = np.empty((height, width), np.uint8)
        self._tables = _tables(spec)
        self._canvas_placement: Placement | None = None  # whose bars are painted already

    def __call__(self, image: Image) -> Tensor:
        """Prepare one frame.

        Args:
            image: (H, W, 3) uint8, blue, green, red as OpenCV decodes.

        Returns:
            (1, channels, height, width) float32: a buffer that the next call overwrites.
        """
        scaled = self._scale(image)
        for channel, table in enumerate(self._tables):
            cv2.LUT(self._source_plane(scaled, channel), table, dst=self._tensor[0, channel])
        return self._tensor

    def placement(self, image: Image) -> Placement:
        """Where ``image`` will lie in the input, for mapping boxes back."""
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

    def _source_plane(self, image: Image, channel: int) -> Image:
        if self.spec.colour == "GRAY":
            return _pixels(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=self._plane))
        index = channel if self.spec.colour == "BGR" else 2 - channel
        return _pixels(cv2.extractChannel(image, index, dst=self._plane))


def _tables(spec: InputSpec) -> list[NDArray[np.float32]]:
    pixels = np.arange(256, dtype=np.float64) * spec.scale
    return [((pixels - mean) / std).astype(np.float32) for mean, std in zip(spec.mean, spec.std, strict=True)]


def _resize(image: Image, size: tuple[int, int], interpolation: str, into: Image | None = None) -> Image:
    if interpolation == "auto":
        shrinking = size[0] * size[1] < image.shape[0] * image.shape[1]
        interpolation = "area" if shrinking else "bilinear"
    result = _pixels(cv2.resize(image, size, dst=into, interpolation=_INTERPOLATION[interpolation]))
    if into is not None and result is not into:
        into[:] = result  # OpenCV reallocated: the target was a view it could not write into
        return into
    return result


def _pixels(result: NDArray[Any]) -> Image:
    """What OpenCV returned, as the 8-bit picture that it is: the same array, nothing is copied."""
    return np.asarray(result, np.uint8)
