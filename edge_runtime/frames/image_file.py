"""Reading one picture from a file, the same way on the workstation and on the Pi."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import name_in_utf8
from edge_runtime.base.native_noise import native_silence
from edge_runtime.model.image import Image, as_image

#: How the names of pictures end; those of seldom formats that OpenCV reads as well are told by their content.
PICTURE_NAMES = frozenset({
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm",
    ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip
#: How the names of pictures end that OpenCV does not decode: of telephones, of cameras' raw data, of tools.
FOREIGN_NAMES = frozenset({
    ".arw", ".cr2", ".cr3", ".dng", ".exr", ".heic", ".heif", ".hif", ".jxl", ".nef", ".orf", ".pfm", ".psd",
    ".raf", ".rw2", ".svg", ".tga",
})  # fmt: skip
MAX_FILE_BYTES = 256 << 20  # the most pixels that are decoded take 192 MiB when stored as they are
TIFF_BEGINNINGS = (b"II*\0", b"MM\0*")
GIF_BEGINNING = b"GIF8"
MJPEG_NAMES = frozenset({".mjpeg", ".mjpg"})
#: Numbers of any range, which would come out black or white.
FLOAT_BEGINNINGS = (b"PF\n", b"Pf\n")


def has_picture(path: Path) -> bool:
    """Whether OpenCV has a decoder for what is in a file, whatever its name; only its beginning is read."""
    return _ask_opencv(path, cv2.haveImageReader)


def has_decoder(beginning: bytes) -> bool:
    """Whether OpenCV has a decoder for a file that begins like this; 64 bytes are enough to tell."""
    handle = os.memfd_create("beginning")
    try:
        os.write(handle, beginning)
        with native_silence():
            return cv2.haveImageReader(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def is_animation(path: Path) -> bool:
    """Whether a file that begins like a picture plays like a film: a GIF of several pictures, or MJPEG."""
    # By its name: a JPEG that others follow may as well be one picture, with its depth or its brightness.
    if path.suffix.lower() in MJPEG_NAMES:
        return True
    return _beginning(path) == GIF_BEGINNING and _ask_opencv(path, lambda name: cv2.imcount(name) > 1)


def cannot_be_decoded(path: Path) -> bool:
    """Whether a file has the name of a foreign format, and is not by its content a picture for all that."""
    if path.suffix.lower() not in FOREIGN_NAMES:
        return False
    # Cameras' raw formats are TIFF files to OpenCV, which would give the thumbnail in them for the picture.
    return not has_picture(path) or _beginning(path) in TIFF_BEGINNINGS


def read_image(path: Path) -> Image:
    """Decode a picture.

    Turned upright as its EXIF orientation says; grey, 16-bit and transparent pictures become 8-bit colour; of
    a moving picture it is the first frame. Pictures of more pixels than ``edge_runtime`` allows are refused
    before any memory is taken for them.

    Args:
        path: A file in any format OpenCV reads.

    Returns:
        (H, W, 3) uint8, blue, green, red.

    Raises:
        InputError: The file is missing, unreadable, empty, not a picture, cut short, or absurdly large.
    """
    return decode(_bytes(path), str(path))


def decode(data: Image, name: str) -> Image:
    """Decode a picture whose file is in memory, as ``read_image`` does.

    Args:
        data: The file, flat.
        name: What messages call it.

    Returns:
        (H, W, 3) uint8, blue, green, red.

    Raises:
        InputError: It is empty, not a picture, cut short, or absurdly large.
    """
    if data.size == 0:
        raise InputError(f"{name} is empty")
    if _cut_short(data):
        raise InputError(f"{name} is a picture cut short; copy it again")
    if data[:3].tobytes() in FLOAT_BEGINNINGS:
        raise InputError(f"{name} holds floating-point numbers of any range; make an 8-bit picture of it")
    try:
        with native_silence():
            image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InputError(f"{name} cannot be decoded as a picture, or is absurdly large") from error
    if image is None:
        raise InputError(f"{name} cannot be decoded as a picture, or is absurdly large")
    return as_image(image)


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


def _beginning(path: Path) -> bytes:
    """The first four bytes of a file; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError:
        return b""


def _ask_opencv(path: Path, question: Callable[[str], bool]) -> bool:
    """Ask OpenCV about a file by its name; False for what is no file, or cannot be read."""
    try:
        if not path.is_file():
            return False
        with name_in_utf8(path) as name, native_silence():
            return question(name)
    except OSError:
        return False


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
