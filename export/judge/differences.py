"""Pictures on which two networks do not answer alike: small copies of them, with both answers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge_runtime.inference import Model
from edge_runtime.model.image import Image
from edge_runtime.postprocess.base import Prediction, Result
from export.calibrate.images import ImageFile, ImageReader
from export.progress import Progress, silent

SHOWN = 12
THUMBNAIL_PIXELS = 160
BEFORE_COLOUR, AFTER_COLOUR = (0, 140, 255), (255, 80, 0)  # blue, green, red: orange, and a blue


@dataclass(frozen=True)
class Difference:
    """A picture on which two networks do not answer alike.

    Attributes:
        name: The file's name, with the folder it lies in.
        before: What the first network says, for people.
        after: What the second says.
        jpeg: The picture, 160 pixels at most; boxes of the first are orange, of the second blue.
        width: Of that, in pixels.
        height: Of that, in pixels.
    """

    name: str
    before: str
    after: str
    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Differences:
    """The pictures on which two networks do not answer alike.

    Attributes:
        images: How many were looked at.
        count: On how many of them the answers differ.
        shown: Some of these, those first of which the first network is surest.
    """

    images: int
    count: int
    shown: tuple[Difference, ...]


def differences(
    before: Model, after: Model, files: Sequence[ImageFile], progress: Progress = silent
) -> Differences | None:
    """Look for pictures on which two networks do not answer alike.

    Labels differ where the best is another; detections, where those of some class are more or fewer.

    Args:
        before: The first network.
        after: The second.
        files: The pictures.
        progress: Told after each.

    Returns:
        What was found; None where the outputs are not decoded, so that there are no answers to compare.

    Raises:
        ModelRefusedError: A network cannot run.
    """
    if before.card.task == "raw":
        return None
    found: list[tuple[float, Difference]] = []
    images = 0
    for images, image in enumerate(ImageReader(files), start=1):
        first, second = before(image.pixels), after(image.pixels)
        if _answer(first) != _answer(second):
            best = first.best()
            sure = best.score if best else 0.0
            found.append((sure, _difference(image.file, image.pixels, first, second)))
            found = sorted(found, key=lambda each: -each[0])
        progress("looking for differences", images, len(files))
    return Differences(images, len(found), tuple(each for _, each in found[:SHOWN]))


def _answer(result: Result) -> object:
    """What two results are compared by."""
    seen = result.predictions()
    if any(each.box for each in seen):
        return Counter(each.index for each in seen)
    best = result.best()
    return None if best is None else best.index


def _difference(file: ImageFile, pixels: Image, first: Result, second: Result) -> Difference:
    scale = THUMBNAIL_PIXELS / max(pixels.shape[:2])
    size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
    small: Image = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    for result, colour in ((first, BEFORE_COLOUR), (second, AFTER_COLOUR)):
        for prediction in result.predictions():
            _draw(small, prediction, scale, colour)
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    name = f"{file.path.parent.name}/{file.path.name}"
    return Difference(name, first.words(), second.words(), jpeg.tobytes(), size[0], size[1])


def _draw(picture: Image, prediction: Prediction, scale: float, colour: tuple[int, int, int]) -> None:
    if prediction.box is not None:
        left, top, right, bottom = (round(scale * value) for value in prediction.box)
        cv2.rectangle(picture, (left, top), (right, bottom), colour, 1)
