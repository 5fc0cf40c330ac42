"""Reading one picture from a file, the same way on the workstation and on the Pi."""

import stat
from pathlib import Path

import cv2
import numpy as np

from edge_runtime.base.errors import InputError
from edge_runtime.model.image import Image

EXTENSIONS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
MAX_FILE_BYTES = 256 << 20  # the most pixels that are decoded take 192 MiB when stored as they are


def is_image_name(path: Path) -> bool:
    """Whether the name looks like a picture: a known extension in any case, not hidden."""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def read_image(path: Path) -> Image:
    """Decode a picture.

    Turned upright as its EXIF orientation says; grey, 16-bit and transparent pictures become 8-bit colour.
    Pictures of more pixels than ``edge_runtime`` allows are refused before any memory is taken for them.

    Args:
        path: A file in any format OpenCV reads.

    Returns:
        (H, W, 3) uint8, blue, green, red.

    Raises:
        InputError: The file is missing, unreadable, empty, not a picture, cut short, or absurdly large.
    """
    data = _bytes(path)
    if data.size == 0:
        raise InputError(f"{path} is empty")
    if _cut_short(data):
        raise InputError(f"{path} is a picture cut short; copy it again")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InputError(f"{path} cannot be decoded as a picture, or is absurdly large") from error
    if image is None:
        raise InputError(f"{path} cannot be decoded as a picture, or is absurdly large")
    return image  # type: ignore[return-value]


def _bytes(path: Path) -> Image:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is not a file")  # opening a pipe would wait for ever
        if status.st_size > MAX_FILE_BYTES:
            raise InputError(f"{path} is absurdly large for a picture")
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _cut_short(data: Image) -> bool:
    """Whether this is a JPEG without an end: decoders fill the rest with grey and do not say so."""
    if data.size < 4 or data[0] != 0xFF or data[1] != 0xD8:
        return False
    raw = data.tobytes()
    # Over the segments of the header by their lengths: a preview in one of them has an end of its own.
    position = 2
    while raw[position : position + 1] == b"\xff" and raw[position + 1 : position + 2] != b"\xda":
        position += 2 + int.from_bytes(raw[position + 2 : position + 4], "big")
    return raw.find(b"\xff\xd9", position) < 0
