"""A frame with its result drawn on it, for people."""

import unicodedata

import cv2

from edge_runtime.model.image import Image, as_image
from edge_runtime.postprocess.base import Box, Prediction
from edge_runtime.results.frame_result import FrameResult

SMALLEST_SIDE = 480  # the longer one; letters would not fit on less
LARGEST_SIDE = 960
SHOWN_LABELS = 3
LEAST_SCORE = 0.05  # labels below it are noise
MOST_BOXES = 50
JPEG_QUALITY = 80
FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE = (255, 255, 255)
BLACK = (0, 0, 0)
GREY = (70, 70, 70)

#: Blue, green, red; dark enough for white letters (Tableau's ten).
COLOURS = (
    (167, 105, 31), (44, 127, 214), (44, 140, 44), (40, 39, 194), (172, 92, 133),
    (75, 86, 140), (170, 87, 201), (110, 110, 110), (20, 125, 130), (180, 140, 15),
)  # fmt: skip


def drawn(frame_result: FrameResult) -> Image:
    """A picture of the frame with boxes or labels on it.

    Returns:
        (H, W, 3) uint8, blue, green, red, 480 to 960 pixels on its longer side, in memory of its own.
    """
    image = frame_result.frame.image
    factor = _factor(image)
    canvas = _scaled(image, factor)
    if not frame_result.result.valid:
        _tag(canvas, "INVALID: NaN or infinite outputs", (8, 8), COLOURS[3])
    seen = frame_result.result.predictions(MOST_BOXES)
    for prediction in reversed(seen):  # the best comes last, and so on top
        if prediction.box is not None:
            _box(canvas, prediction, prediction.box, factor)
    likely = [each for each in seen if each.box is None and each.score >= LEAST_SCORE]
    for row, prediction in enumerate(likely[:SHOWN_LABELS]):
        _tag(canvas, _words(prediction), (8, 8 + 30 * row), COLOURS[0] if row == 0 else GREY)
    return canvas


def to_jpeg(frame_result: FrameResult) -> bytes:
    """The frame with its result drawn on it, as a JPEG file."""
    _, data = cv2.imencode(".jpg", drawn(frame_result), (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    return data.tobytes()


def _factor(image: Image) -> float:
    longer: int = max(image.shape[:2])
    return min(max(longer, SMALLEST_SIDE), LARGEST_SIDE) / longer


def _scaled(image: Image, factor: float) -> Image:
    if factor == 1:
        return image.copy()
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return as_image(cv2.resize(image, (width, height), interpolation=method))


def _box(canvas: Image, prediction: Prediction, box: Box, factor: float) -> None:
    left, top, right, bottom = (round(side * factor) for side in box)
    colour = COLOURS[prediction.index % len(COLOURS)]
    cv2.rectangle(canvas, (left, top), (right, bottom), BLACK, 4)  # a dark rim, to show on any background
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, 2)
    _tag(canvas, _words(prediction), (left, top - 26 if top >= 26 else top), colour)


def _tag(canvas: Image, text: str, corner: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """White letters on a coloured bar whose top left corner is ``corner``, moved into the picture."""
    (width, height), _ = cv2.getTextSize(text, FONT, 0.6, 1)
    left = max(0, min(corner[0], canvas.shape[1] - width - 10))
    top = max(0, corner[1])
    cv2.rectangle(canvas, (left, top), (left + width + 10, top + height + 12), colour, cv2.FILLED)
    cv2.putText(canvas, text, (left + 5, top + height + 6), FONT, 0.6, WHITE, 1, cv2.LINE_AA)


def _words(prediction: Prediction) -> str:
    return f"{_plain(prediction.label)} {100 * prediction.score:.0f} %"


def _plain(text: str) -> str:
    """OpenCV's letters are ASCII: drop accents, and show a question mark for what is left."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode()[:40]
