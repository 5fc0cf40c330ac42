"""What a detection head proposes before suppression, and the thresholds that decide what counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.image import Outputs
from edge_runtime.postprocess.boxes import Floats, Indices
from edge_runtime.postprocess.likely import likely_kind


@dataclass(frozen=True)
class Thresholds:
    """What counts as a detection.

    Attributes:
        score: Boxes scoring less are dropped.
        iou: Of two boxes of one class that overlap by more, only the better stays.
        max_detections: Keep at most so many per frame, best first.
        candidates: Look at most at so many boxes, best first: bounds the time a hostile frame can take.
        every_class: Let one box count for each class that scores enough, instead of its best class only.
            This is how mean average precision is measured.
    """

    score: float = 0.25
    iou: float = 0.45
    max_detections: int = 100
    candidates: int = 1000
    every_class: bool = False


ROUNDING = 0.01  # how far float16 or int8 arithmetic may push a score beyond 0 or 1

EVALUATION = Thresholds(score=0.001, iou=0.6, max_detections=300, candidates=30_000, every_class=True)


@dataclass(frozen=True)
class Candidates:
    """Boxes above the score threshold.

    Attributes:
        boxes: (N, 4) float32, left, top, right, bottom in pixels of the network's input.
        scores: (N,) float32.
        classes: (N,) class indices.
    """

    boxes: Floats
    scores: Floats
    classes: Indices


@dataclass(frozen=True)
class Head:
    """One kind of detection head.

    Attributes:
        decode: Finds the candidates in the network's outputs; raises ``ModelRefusedError`` where their shapes
            are not this head's.
        suppressed: The network has done the non-maximum suppression itself.
    """

    decode: Callable[[Outputs, Thresholds], Candidates]
    suppressed: bool = False


def read_thresholds(decoder: Mapping[str, Any], default: Thresholds) -> Thresholds:
    """Read ``score_threshold``, ``iou_threshold`` and ``max_detections`` of a card's decoder.

    Args:
        decoder: As it stands in the card.
        default: What counts where it names none.

    Raises:
        InputError: One of them is impossible.
    """
    try:
        thresholds = Thresholds(
            score=float(decoder.get("score_threshold", default.score)),
            iou=float(decoder.get("iou_threshold", default.iou)),
            max_detections=int(decoder.get("max_detections", default.max_detections)),
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"the model card's decoder: a threshold is not a number ({error})") from error
    if not (0 <= thresholds.score <= 1 and 0 <= thresholds.iou <= 1 and thresholds.max_detections >= 1):
        raise InputError(
            "the model card's decoder: score_threshold and iou_threshold must be between 0 and 1, "
            "max_detections at least 1"
        )
    return thresholds


def pick(scores: Floats, thresholds: Thresholds) -> tuple[Indices, Indices]:
    """Rows and classes that score enough, the best of them where they are too many.

    Args:
        scores: (N, classes); any memory order.
        thresholds: ``score``, ``candidates`` and ``every_class`` are used.

    Returns:
        Row and class of each candidate.
    """
    if thresholds.every_class:
        rows, classes = np.nonzero(scores > thresholds.score)
        best = _best(scores[rows, classes], thresholds.candidates)
        return rows[best], classes[best]
    highest = scores.max(axis=1)
    rows = np.flatnonzero(highest > thresholds.score)
    rows = rows[_best(highest[rows], thresholds.candidates)]
    return rows, scores[rows].argmax(axis=1)


def _best(scores: Floats, limit: int) -> Indices:
    if len(scores) <= limit:
        return np.arange(len(scores))
    return np.argsort(-scores, kind="stable")[:limit]


def require_shape(fits: bool, outputs: Outputs, expected: str) -> None:  # noqa: FBT001
    """Raise ``ModelRefusedError`` unless ``fits``, saying which shapes came and which were ``expected``."""
    if not fits:
        shapes = [tuple(output.shape) for output in outputs]
        likely = likely_kind(shapes)
        raise ModelRefusedError(
            f"the network's outputs {', '.join(map(str, shapes))} are not those of its card's decoder "
            f"({expected}){f' but look like those of {likely}' if likely else ''}: "
            "correct the card with 'pi-export card'"
        )


def require_scores(scores: Floats, kind: str) -> None:
    """Raise ``ModelRefusedError`` unless all scores are from 0 to 1.

    Coordinates of key points, coefficients of masks and angles stand where class scores are expected when the
    head is one that the card's decoder cannot read, and would be taken for classes of 31758 percent.

    Args:
        scores: Of any shape, finite.
        kind: The decoder's kind.
    """
    lowest, highest = float(scores.min(initial=0.0)), float(scores.max(initial=0.0))
    if lowest < -ROUNDING or highest > 1 + ROUNDING:
        raise ModelRefusedError(
            f"scores of this network reach from {lowest:.3g} to {highest:.3g}, and the card's decoder "
            f"({kind}) reads them from 0 to 1: heads for segmentation, poses and oriented boxes, and heads "
            "without their last sigmoid, have no decoder yet"
        )
