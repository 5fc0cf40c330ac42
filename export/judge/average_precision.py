"""Mean average precision, as the COCO challenge defines it.

Per class and overlap threshold t, the detections of all images, best score first, are each matched to the
free true box of their image that they overlap most, if by at least t. A matched one is right, any other is
wrong. Precision at a recall r is the best precision at any recall of at least r; average precision is its
mean over r = 0, 0.01, ..., 1; the mean is over the classes that have true boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.postprocess.boxes import Indices, iou

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)
_MAX_PER_IMAGE_AND_CLASS = 100
_SLACK = 1e-10  # an overlap of exactly the threshold counts, also after rounding

Bools = NDArray[np.bool_]
Reals = NDArray[np.float64]


class Boxes(Protocol):
    """Boxes with classes: the truth, or the detections, of one image."""

    @property
    def boxes(self) -> NDArray[np.float32]:
        """The boxes: (N, 4) left, top, right, bottom in pixels of the image."""

    @property
    def classes(self) -> Indices:
        """The class of each box: (N,) indices."""


class ScoredBoxes(Boxes, Protocol):
    """Detections of one image: boxes with classes and scores."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """The score of each box: (N,), in any order."""


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision over all images.

    Attributes:
        map50: Mean over the classes at an overlap of 0.5, from 0 to 1.
        map: Mean also over the overlaps 0.5, 0.55, ..., 0.95: the COCO challenge's figure.
        per_class: Class index to its average precision over those overlaps.
    """

    map50: float
    map: float
    per_class: dict[int, float]


def average_precision(detections: Sequence[ScoredBoxes], truths: Sequence[Boxes]) -> AveragePrecision:
    """Compare detections with the truth, image by image.

    Args:
        detections: What a network detects in each image.
        truths: What is there, in the same order.

    Returns:
        All zero if there are no true boxes at all.
    """
    present = sorted({int(index) for truth in truths for index in truth.classes})
    if not present:
        return AveragePrecision(0.0, 0.0, {})
    table = np.stack([_class_precision(detections, truths, index) for index in present])
    per_class = {index: float(row.mean()) for index, row in zip(present, table, strict=True)}
    return AveragePrecision(float(table[:, 0].mean()), float(table.mean()), per_class)


def match(overlaps: NDArray[np.float32], threshold: float) -> Bools:
    """Give each detection, in the order of the rows, the free true box it overlaps most.

    Args:
        overlaps: (detections, truths) intersection over union, best detection first.
        threshold: Overlap needed.

    Returns:
        (detections,) whether it got one.
    """
    free = overlaps.astype(np.float64)
    matched = np.zeros(len(free), np.bool_)
    if free.shape[1] == 0:
        return matched
    for row in np.flatnonzero(free.max(axis=1) >= threshold - _SLACK):
        best = len(free[row]) - 1 - int(free[row, ::-1].argmax())  # of equals the last, as pycocotools
        if free[row, best] >= threshold - _SLACK:
            matched[row] = True
            free[:, best] = -1
    return matched


def _class_precision(detections: Sequence[ScoredBoxes], truths: Sequence[Boxes], index: int) -> Reals:
    """(10,) average precision of one class at each overlap threshold."""
    scores, matches, true_count = [], [], 0
    for scored, truth in zip(detections, truths, strict=True):
        true_boxes = truth.boxes[truth.classes == index]
        mine = np.flatnonzero(scored.classes == index)
        mine = mine[np.argsort(-scored.scores[mine], kind="stable")][:_MAX_PER_IMAGE_AND_CLASS]
        overlaps = iou(scored.boxes[mine], true_boxes)
        true_count += len(true_boxes)
        scores.append(scored.scores[mine])
        matches.append(np.stack([match(overlaps, threshold) for threshold in IOU_THRESHOLDS]))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    right = np.concatenate(matches, axis=1)[:, order]
    return np.array([_interpolated_mean(row, true_count) for row in right])


def _interpolated_mean(right: Bools, true_count: int) -> float:
    """Average precision of detections sorted by score, given which of them are right."""
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    position = np.searchsorted(hits / true_count, _RECALLS, side="left")
    return float(np.append(best_from_here, 0.0)[position].mean())
