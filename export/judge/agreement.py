"""Agreement of a changed network with the original, in percent, from their outputs alone.

Of images with the same highest class; for detectors the F1 score of the detections against the original's;
for any other network the share of the outputs' variance that is kept.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.card import ModelCard
from edge_runtime.model.image import Placement
from edge_runtime.postprocess.boxes import iou
from edge_runtime.postprocess.detections import Detections, make_detector
from export.judge.average_precision import match

Outputs = list[NDArray[np.float32]]
Comparison = Callable[[Sequence[Outputs], Sequence[Outputs]], float]

AGREEMENT_IOU = 0.5


def comparison_for(card: ModelCard) -> Comparison:
    """How networks of a card's task are compared: the outputs of both for each image become percent.

    Raises:
        InputError: The card's decoder is malformed.
    """
    if card.task == "classify":
        return same_class_percent
    if card.task != "detect":
        return kept_variance_percent
    detector = make_detector(card)
    where = Placement(1.0, 1.0, 0, 0)  # boxes stay in pixels of the input

    def same_boxes(original: Sequence[Outputs], changed: Sequence[Outputs]) -> float:
        reference, own = (
            [detector(outputs, where, card.input.size) for outputs in side] for side in (original, changed)
        )
        return same_detections_percent(own, reference)

    return same_boxes


def same_class_percent(original: Sequence[Outputs], changed: Sequence[Outputs]) -> float:
    """Images whose highest value of the first output stands at the same place."""
    same = [a[0].argmax() == b[0].argmax() for a, b in zip(original, changed, strict=True)]
    return 100.0 * float(np.mean(same))


def kept_variance_percent(original: Sequence[Outputs], changed: Sequence[Outputs]) -> float:
    """Share of the variance of all outputs that the changed ones explain; 0 where they explain none."""
    before, after = (
        np.stack([np.hstack([o.ravel() for o in outputs]) for outputs in side]).astype(np.float64)
        for side in (original, changed)
    )
    spread = float(((before - before.mean(axis=0)) ** 2).sum())
    lost = float(((before - after) ** 2).sum())
    return 100.0 * max(0.0, 1.0 - lost / spread) if spread > 0 else 100.0 * (lost == 0)


def same_detections_percent(own: Sequence[Detections], reference: Sequence[Detections]) -> float:
    """F1 score of detections against another detector's; 100 where neither finds anything at all.

    Args:
        own: What one detector finds in each image.
        reference: What the other finds, in the same order.
    """
    common = sum(_in_common(*both) for both in zip(own, reference, strict=True))
    total = sum(len(detections) for detections in (*own, *reference))
    return 100.0 * 2 * common / total if total else 100.0


def _in_common(own: Detections, reference: Detections) -> int:
    """How many detections in one image have a partner of the same class in the other list."""
    overlaps = iou(own.boxes, reference.boxes)
    overlaps[own.classes[:, None] != reference.classes[None, :]] = 0
    return int(match(overlaps, AGREEMENT_IOU).sum())
