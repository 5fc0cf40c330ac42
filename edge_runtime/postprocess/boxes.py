"""Boxes as arrays: overlap, non-maximum suppression, and the way back from network to frame."""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.image import Placement

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

_TINY = np.finfo(np.float32).tiny


def corners(centred: Floats) -> Floats:
    """Turn boxes (N, 4) of centre x, centre y, width, height into left, top, right, bottom: (N, 4)."""
    half = centred[:, 2:] / 2
    return np.concatenate([centred[:, :2] - half, centred[:, :2] + half], axis=1)


def areas(boxes: Floats) -> Floats:
    """Areas (N,) of boxes (N, 4) given by corners; a box turned inside out has none."""
    sides: Floats = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def intersections(first: Floats, second: Floats) -> Floats:
    """Areas (N, M) common to each of (N, 4) and each of (M, 4) boxes given by corners."""
    top_left = np.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides: Floats = np.maximum(bottom_right - top_left, 0)
    return sides[..., 0] * sides[..., 1]


def iou(first: Floats, second: Floats) -> Floats:
    """Intersection over union (N, M) of (N, 4) and (M, 4) boxes by corners; 0 where both are empty."""
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
    order = np.argsort(-scores, kind="stable")
    columns = np.vstack([boxes[order].T, areas(boxes)[order], classes[order]], dtype=np.float32)
    kept: list[np.intp] = []
    while order.size and len(kept) < limit:
        kept.append(order[0])
        stays = ~_suppressed(columns[:, 1:], columns[:, 0], iou_threshold)
        order, columns = order[1:], columns[:, 1:]
        if not stays.all():
            order, columns = order[stays], columns[:, stays]
    return np.array(kept, np.intp)


def _suppressed(columns: Floats, best: Floats, iou_threshold: float) -> NDArray[np.bool_]:
    """Which of (6, N) columns left, top, right, bottom, area, class overlap the (6,) best one of their class.

    One row of memory per quantity is several times faster than one per box; and without the division, empty
    boxes need no special case.
    """
    width = np.minimum(columns[2], best[2]) - np.maximum(columns[0], best[0])
    height = np.minimum(columns[3], best[3]) - np.maximum(columns[1], best[1])
    common = np.maximum(width, 0) * np.maximum(height, 0)
    too_much: NDArray[np.bool_] = common > iou_threshold * (columns[4] + best[4] - common)
    same_class: NDArray[np.bool_] = columns[5] == best[5]
    return too_much & same_class


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
