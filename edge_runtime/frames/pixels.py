"""From a camera's buffer, as the hardware lays it out, to a picture: one pass over the pixels, no more."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.image import Image, as_image

_PACKED = {"RGB888": 3, "BGR888": 3, "XRGB8888": 4, "XBGR8888": 4, "YUYV": 2}  # bytes per pixel
_TO_BGR = {
    "BGR888": cv2.COLOR_RGB2BGR,
    "XRGB8888": cv2.COLOR_BGRA2BGR,
    "XBGR8888": cv2.COLOR_RGBA2BGR,
    "YUYV": cv2.COLOR_YUV2BGR_YUYV,
    "NV12": cv2.COLOR_YUV2BGR_NV12,
    "YUV420": cv2.COLOR_YUV2BGR_I420,
    "YVU420": cv2.COLOR_YUV2BGR_YV12,
}
FORMATS = frozenset(_TO_BGR) | {"RGB888"}


@dataclass(frozen=True)
class BufferLayout:
    """How a picture lies in memory.

    Attributes:
        format: One of ``FORMATS``, which are libcamera's names: they list the channels of the packed ones
            from the highest byte down, so that ``RGB888`` is blue, green, red in memory.
        width: Of the picture, in pixels; even, as colours come for two pixels together.
        height: Of the picture, in pixels; even.
        stride: Bytes from one row to the next; of the luma rows where there are planes.
    """

    format: str
    width: int
    height: int
    stride: int


def bgr_picture(buffer: NDArray[np.uint8], layout: BufferLayout) -> Image:
    """Make a picture of a camera's buffer, which may then be given back to the camera.

    Args:
        buffer: The whole buffer, flat; may be longer than the picture.
        layout: How the picture lies in it.

    Returns:
        (height, width, 3) uint8, blue, green, red, in memory of its own.

    Raises:
        ValueError: The buffer is too short, or the format unknown.
    """
    if layout.format in _PACKED:
        depth = _PACKED[layout.format]
        rows = _rows(buffer, layout, layout.height)[:, : layout.width * depth]
        pixels = rows.reshape(layout.height, layout.width, depth)
        return pixels.copy() if layout.format == "RGB888" else _converted(pixels, layout.format)
    rows = _rows(buffer, layout, layout.height * 3 // 2)
    if layout.format == "NV12":
        return _converted(rows[:, : layout.width], layout.format)
    # The rows of the two colour planes are half as long, so the padding must stay until they are merged.
    return _converted(rows, layout.format)[:, : layout.width]


def _rows(buffer: NDArray[np.uint8], layout: BufferLayout, count: int) -> NDArray[np.uint8]:
    if layout.format not in FORMATS:
        raise ValueError(f"pictures of the format {layout.format} cannot be read")
    if buffer.size < count * layout.stride:
        raise ValueError(f"a buffer of {buffer.size} bytes cannot hold {layout}")
    return buffer[: count * layout.stride].reshape(count, layout.stride)


def _converted(pixels: NDArray[np.uint8], name: str) -> Image:
    return as_image(cv2.cvtColor(pixels, _TO_BGR[name]))
