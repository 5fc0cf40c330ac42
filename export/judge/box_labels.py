"""True boxes of an image, in the format of YOLO data sets: a line per box, ``class cx cy width height``.

The numbers are relative to the image. An image without a file, or with an empty one, shows no objects.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from edge_runtime.postprocess.boxes import Indices, corners
from export.calibrate.images import ImageFolder, find_images

_TOLERANCE = 0.01  # annotation tools round boxes to just outside the image


@dataclass(frozen=True)
class TrueBoxes:
    """What an image shows.

    Attributes:
        boxes: (N, 4) left, top, right, bottom in pixels of the image.
        classes: (N,) class indices.
    """

    boxes: NDArray[np.float32]
    classes: Indices


@dataclass(frozen=True)
class BoxFolder:
    """A folder with ``images`` and ``labels`` in it.

    Attributes:
        images: The pictures under ``images``.
        labels: The folder ``labels``, of the same inner structure.
    """

    images: ImageFolder
    labels: Path

    def truth(self, image: Path, shape: tuple[int, int]) -> TrueBoxes:
        """The true boxes of an image of that height and width.

        Raises:
            InputError: Its label file is malformed.
        """
        path = self._label_path(image)
        return read_boxes(path, shape) if path.exists() else _boxes([], shape)

    def require_labels(self) -> None:
        """Raise ``InputError`` unless at least one image has a label file."""
        if not any(self._label_path(file.path).exists() for file in self.images.files):
            example = self._label_path(self.images.files[0].path)
            raise InputError(f"no image under {self.images.root} has labels; expected for example {example}")

    def _label_path(self, image: Path) -> Path:
        return (self.labels / image.relative_to(self.images.root)).with_suffix(".txt")


def find_box_folder(root: Path) -> BoxFolder | None:
    """The labelled images under ``root``; None if it has no ``images`` and ``labels`` in it.

    Raises:
        InputError: It has, but there are no images, or not one of them has labels.
    """
    images, labels = root / "images", root / "labels"
    if not images.is_dir() or not labels.is_dir():
        return None
    folder = BoxFolder(find_images(images), labels)
    folder.require_labels()
    return folder


def read_boxes(path: Path, shape: tuple[int, int]) -> TrueBoxes:
    """Read one label file.

    Args:
        path: The text file.
        shape: Height and width of its image.

    Raises:
        InputError: It is unreadable or malformed; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the labels {path}: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows.append(_row(line, f"{path}, line {number}"))
    return _boxes(rows, shape)


def _row(line: str, where: str) -> list[float]:
    try:
        values = [float(field) for field in line.split()]
    except ValueError:
        values = []
    if len(values) != 5 or not all(math.isfinite(value) for value in values):
        raise InputError(
            f"{where}: expected five numbers, class cx cy width height, not {line.strip()!r:.60}"
        )
    if values[0] < 0 or values[0] != int(values[0]):
        raise InputError(f"{where}: the class {values[0]:g} is not a whole number from 0")
    if not all(-_TOLERANCE <= value <= 1 + _TOLERANCE for value in values[1:]):
        raise InputError(f"{where}: the box is not relative to the image (0 to 1): {line.strip()!r:.60}")
    return values


def _boxes(rows: list[list[float]], shape: tuple[int, int]) -> TrueBoxes:
    table = np.array(rows, np.float64).reshape(-1, 5)
    height, width = shape
    pixels = table[:, 1:] * [width, height, width, height]
    return TrueBoxes(corners(pixels.astype(np.float32)), table[:, 0].astype(np.intp))
