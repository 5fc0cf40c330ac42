"""The demo's printed characters, as strokes of a pen.

OpenCV's own fonts are no base for figures that shall compare across machines: release 5 replaced the Hershey
fonts of release 4 by others, and both are in use. Lines and their thickness are drawn alike by all.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.image import Image

# Strokes in a box 4 wide and 6 high, origin at its upper left. "~" marks the corners of a curve.
# One of each pair that people confuse is left out: 0 O D Q, 1 I, 2 Z, 5 S, 6 G, 8 B, U V, J.
_STROKES = {
    "2": "~0,1.6 .2,-.2 3.9,-.2 4.3,2.3 2,4 0,6 | 0,6 4,6",
    "3": "~0,1 .7,-.1 4.1,-.2 4.1,2.9 1.4,2.9 | ~1.4,2.9 4.4,2.9 4.3,6.3 .7,6.1 0,4.9",
    "4": "3,6 3,0 0,4.2 4.2,4.2",
    "5": "3.7,0 .5,0 .3,2.8 | ~.3,2.8 1,2 4.3,1.9 4.3,6.2 .7,6.2 0,5",
    "6": "~3.8,1 3.1,-.2 .2,-.4 -.4,4 .2,6.2 4.2,6.2 4.2,2.4 .6,2.3 .05,4.2",
    "7": "0,0 4,0 1.4,6",
    "8": "~2,2.8 .1,2.8 .1,-.1 3.9,-.1 3.9,2.8 2,2.8 | ~2,2.8 -.3,2.8 -.3,6.2 4.3,6.2 4.3,2.8 2,2.8",
    "9": "~.2,5 .9,6.2 3.8,6.4 4.4,2 3.8,-.2 -.2,-.2 -.2,3.6 3.4,3.7 3.95,1.8",
    "A": "0,6 2,0 4,6 | .7,4 3.3,4",
    "C": "~4,1.3 3.2,-.1 0,-.5 0,6.5 3.2,6.1 4,4.7",
    "E": "4,0 0,0 0,6 4,6 | 0,2.9 3.2,2.9",
    "F": "4,0 0,0 0,6 | 0,2.9 3.2,2.9",
    "H": "0,0 0,6 | 4,0 4,6 | 0,3 4,3",
    "K": "0,0 0,6 | 4,0 0,3.8 | 1.4,2.6 4,6",
    "L": "0,0 0,6 4,6",
    "M": "0,6 0,0 2.3,4 4.6,0 4.6,6",
    "N": "0,6 0,0 4,6 4,0",
    "P": "0,6 0,0 | ~0,0 3,0 4.4,.2 4.4,3.2 3,3.4 0,3.4",
    "R": "0,6 0,0 | ~0,0 3,0 4.4,.2 4.4,3 3,3.2 0,3.2 | 2,3.2 4.2,6",
    "T": "0,0 4.2,0 | 2.1,0 2.1,6",
    "U": "~0,0 0,3.5 0,6.2 4,6.2 4,3.5 4,0",
    "W": "0,0 1.2,6 2.6,1.2 4,6 5.2,0",
    "X": "0,0 4,6 | 4,0 0,6",
    "Y": "0,0 2,3 4,0 | 2,3 2,6",
}
LABELS = tuple(_STROKES)

_UNIT_PX = 10
_MARGIN_PX = 16  # half the boldest pen, and as much as curves bulge out of the box
_SHIFT = 4  # OpenCV draws at fractions of a pixel, given as integers with this many bits behind the point
_SERIF_UNITS = 0.75
_ROUNDNESS = (1, 3)  # corners cut once look machined, three times look round

Stroke = NDArray[np.float64]


def draw_character(rng: np.random.Generator, label: str) -> Image:
    """Draw one character in a face chosen by chance: thin to bold, round or angular, with serifs or without.

    Args:
        rng: The only source of chance.
        label: One of ``LABELS``.

    Returns:
        (H, W) uint8 of about 60 by 40 pixels: how much ink each pixel holds, cut to the character's edges.
    """
    thickness = int(rng.integers(5, 12))
    roundness = _ROUNDNESS[int(rng.integers(len(_ROUNDNESS)))]
    serifs = bool(rng.random() < 0.35)
    canvas = np.zeros((6 * _UNIT_PX + 2 * _MARGIN_PX, 6 * _UNIT_PX + 2 * _MARGIN_PX), np.uint8)
    for text in _STROKES[label].split("|"):
        curved = "~" in text
        corners = np.array([point.split(",") for point in text.replace("~", "").split()], np.float64)
        _draw(canvas, _rounded(corners, roundness) if curved else corners, thickness)
        if serifs and not curved:
            for serif in _serifs(corners):
                _draw(canvas, serif, max(3, thickness // 2))
    left, top, width, height = cv2.boundingRect(canvas)
    return canvas[top : top + height, left : left + width]


def _draw(canvas: Image, stroke: Stroke, thickness: int) -> None:
    points = np.rint((stroke * _UNIT_PX + _MARGIN_PX) * (1 << _SHIFT)).astype(np.int32)
    cv2.polylines(
        canvas, [points], isClosed=False, color=255, thickness=thickness, lineType=cv2.LINE_AA, shift=_SHIFT
    )


def _rounded(corners: Stroke, times: int) -> Stroke:
    """Chaikin's corner cutting: each cut replaces a corner by two points a quarter along its edges."""
    for _ in range(times):
        before, after = corners[:-1], corners[1:]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1).reshape(-1, 2)
        corners = np.vstack([corners[:1], cut[1:-1], corners[-1:]])
    return corners


def _serifs(corners: Stroke) -> list[Stroke]:
    """Short bars across the ends of a straight stroke that stand on the base line or hang from the top."""
    ends = [end for end in (corners[0], corners[-1]) if end[1] in {0, 6}]
    reach = np.array([_SERIF_UNITS, 0.0])
    return [np.stack([end - reach, end + reach]) for end in ends]
