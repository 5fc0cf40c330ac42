"""Where frames may come from: told by what stands behind a text, not by how it is spelt."""

import re
import stat
from enum import Enum, auto
from pathlib import Path

DEMO = "demo"
STANDARD_INPUT = "-"  # as in other programs; a file of that name is ./-

#: How the kernel names cameras; a camera that is not plugged in can be told by its name alone.
CAMERA_NAME = re.compile(r"/dev/(video\d|v4l/)")


class Location(Enum):
    """What a text for ``--source`` leads to."""

    DEMO = auto()
    STANDARD_INPUT = auto()
    ADDRESS = auto()
    CAMERA = auto()
    FOLDER = auto()
    #: Whatever else there is, or is not: whoever opens it says what is wrong.
    FILE = auto()


def location_of(text: str) -> Location:
    """What a text for ``--source`` leads to.

    A camera is a character device, whatever its name: ``/dev/shm/film.mp4`` is a file, and a link to
    ``/dev/video0`` is a camera.
    """
    if text == DEMO:
        return Location.DEMO
    if text == STANDARD_INPUT:
        return Location.STANDARD_INPUT
    if "://" in text:
        return Location.ADDRESS
    try:
        mode = Path(text).stat().st_mode
    except OSError:
        return Location.CAMERA if CAMERA_NAME.match(text) else Location.FILE
    if stat.S_ISCHR(mode):
        return Location.CAMERA
    return Location.FOLDER if stat.S_ISDIR(mode) else Location.FILE
