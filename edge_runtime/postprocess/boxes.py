"""Boxes as arrays: overlap, non-maximum suppression, and the way back from network to frame."""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.preprocess import Placement

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

_TINY = np.finfo(np.float32).tiny


def corners(centred: Floats) -> Floats:
    """(N, 4) boxes as centre x, centre y, width, height → (N, 4) as left, top, right, bottom."""
    half = centred[:, 2:] / 2
    return np.concatenate([centred[:, :2] - half, centred[:, :2] + half], axis=1)


def areas(boxes: Floats) -> Floats:
    """(N,) areas of (N, 4) boxes given by corners; a box turned inside out has none."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]  # type: ignore[no-any-return]


def intersections(first: Floats, second: Floats) -> Floats:
    """(N, M) areas common to each of (N, 4) and each of (M, 4) boxes given by corners."""
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(bottom_right - top_left, 0)
    return sides[..., 0] * sides[..., 1]  # type: ignore[no-any-return]


def iou(first: Floats, second: Floats) -> Floats:
    """(N, M) intersection over union of boxes given by corners; 0 where both are empty."""
    common = intersections(first, second)
    union = areas(first)[:, None] + areas(second)[None, :] - common
    return np.where(union > 0, common / np.maximum(union, _TINY), 0)


def nms(boxes: Floats, scores: Floats, classes: Indices, iou_threshold: float, limit: int) -> Indices:
    """Class-aware non-maximum suppression.

    Args:
        boxes: (N, 4) corners.
        scores: (N,). Equal scores keep their order.
        classes: (N,). Boxes of different classes never suppress each other.
        iou_threshold: A box goes when it overlaps a better one of its class by more than this.
        limit: Keep at most so many.

    Returns:
        Indices of the boxes kept, best first.
    """
    left = np.argsort(-scores, kind="stable")
    size = areas(boxes)
    kept: list[np.intp] = []
    while left.size and len(kept) < limit:
        best, left = left[0], left[1:]
        kept.append(best)
        others = boxes[left]
        sides = np.minimum(others[:, 2:], boxes[best, 2:]) - np.maximum(others[:, :2], boxes[best, :2])
        np.maximum(sides, 0, out=sides)
        common = sides[:, 0] * sides[:, 1]
        # Without the division, empty boxes need no special case.
        overlapping = common > iou_threshold * (size[left] + size[best] - common)
        left = left[~(overlapping & (classes[left] == classes[best]))]
    return np.array(kept, np.intp)


def to_frame(boxes: Floats, placement: Placement, image_shape: tuple[int, int]) -> Floats:
    """Undo the preprocessing's placement and clip to the frame.

    Args:
        boxes: (N, 4) corners in pixels of the network's input.
        placement: Where the frame lies in that input.
        image_shape: Height and width of the frame.

    Returns:
        (N, 4) corners in pixels of the frame.
    """
    offset = np.array([placement.offset_x, placement.offset_y] * 2, np.float64)
    scale = np.array([placement.scale_x, placement.scale_y] * 2, np.float64)
    height, width = image_shape
    return np.clip((boxes - offset) / scale, 0, [width, height] * 2).astype(np.float32)
