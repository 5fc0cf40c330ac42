"""How far a changed network agrees with the original, without labels: the judge of a reduction.

Agreement is in percent: of images with the same highest class; for detectors the F1 score of the detections
against the original's; for any other network the share of the outputs' variance that is kept.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard
from edge_runtime.model.engines.onnxruntime import open_bytes
from edge_runtime.model.image import Placement
from edge_runtime.postprocess.boxes import iou
from edge_runtime.postprocess.detections import Detections, make_detector
from export.calibrate.inputs import KeptInputs
from export.judge.average_precision import match

Outputs = list[NDArray[np.float32]]
Comparison = Callable[[Sequence[Outputs], Sequence[Outputs]], float]

AGREEMENT_IOU = 0.5


class Judge:
    """Compares networks with the original on the same inputs."""

    def __init__(self, card: ModelCard, original: onnx.ModelProto, inputs: KeptInputs, threads: int) -> None:
        """Prepare to judge.

        Args:
            card: Tells how to compare outputs.
            original: What to compare with.
            inputs: The images to judge on.
            threads: Threads for onnxruntime.
        """
        self._inputs = inputs
        self._threads = threads
        self._compare = _comparison(card)
        self._model = original

    def __call__(self, model: onnx.ModelProto) -> float:
        """Agreement of ``model`` with the original, in percent. Raises ``InputError`` without any input."""
        if not self._inputs:
            raise InputError("too few images can be read to judge the result by some of them; give more")
        return self._compare(self._original, self._outputs(model))

    @cached_property
    def _original(self) -> list[Outputs]:
        return self._outputs(self._model)

    def _outputs(self, model: onnx.ModelProto) -> list[Outputs]:
        session = open_bytes(model.SerializeToString(), self._threads)
        name = session.get_inputs()[0].name
        return [session.run(None, {name: tensor}) for tensor in self._inputs]


def agreement_percent(found: Sequence[Detections], first: Sequence[Detections]) -> float:
    """F1 score of detections against another detector's; 100 where neither finds anything at all."""
    common = sum(_common(own, other) for own, other in zip(found, first, strict=True))
    total = sum(len(detections) for detections in (*found, *first))
    return 100.0 * 2 * common / total if total else 100.0


def _common(found: Detections, wanted: Detections) -> int:
    """How many of ``found`` have a partner of the same class in ``wanted``."""
    overlaps = iou(found.boxes, wanted.boxes)
    overlaps[found.classes[:, None] != wanted.classes[None, :]] = 0
    return int(match(overlaps, AGREEMENT_IOU).sum())


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


def _comparison(card: ModelCard) -> Comparison:
    if card.task == "classify":
        return same_class_percent
    if card.task != "detect":
        return kept_variance_percent
    detector = make_detector(card)
    where = Placement(1.0, 1.0, 0, 0)  # boxes stay in pixels of the input

    def same_boxes(original: Sequence[Outputs], changed: Sequence[Outputs]) -> float:
        found, first = (
            [detector(outputs, where, card.input.size) for outputs in side] for side in (changed, original)
        )
        return agreement_percent(found, first)

    return same_boxes
