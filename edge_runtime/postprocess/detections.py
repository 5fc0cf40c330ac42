"""Detections of one frame, in pixels of that frame, and the postprocessor that finds them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard
from edge_runtime.model.card_keys import require_decoder
from edge_runtime.model.image import Outputs, Placement
from edge_runtime.postprocess.base import INVALID_WORDS, NOTHING_WORDS, Prediction
from edge_runtime.postprocess.boxes import Floats, Indices, areas, nms, to_frame
from edge_runtime.postprocess.candidates import Candidates, Head, Thresholds, read_thresholds
from edge_runtime.postprocess.class_check import ClassCheck
from edge_runtime.postprocess.ssd import DEFAULT_THRESHOLDS as SSD_THRESHOLDS, ssd_head
from edge_runtime.postprocess.wanted import EVERYTHING, Wanted
from edge_runtime.postprocess.yolo import yolo_nms_head, yolov5_head, yolov8_head

_YOLO_HEADS = {"yolov5": yolov5_head, "yolov8": yolov8_head, "yolo_nms": yolo_nms_head}
_FAR_OUTSIDE = 1e6
_NAMED_IN_WORDS = 3


@dataclass(frozen=True)
class Detections:
    """What a detector found in a frame, best first.

    Attributes:
        boxes: (N, 4) float32, left, top, right, bottom in pixels of the frame, clipped to it.
        scores: (N,) float32.
        classes: (N,) class indices.
        labels: Name of each detection's class.
        valid: False where the network's outputs held NaN or infinity; nothing is detected then.
    """

    boxes: Floats
    scores: Floats
    classes: Indices
    labels: tuple[str, ...]
    valid: bool = True

    def __len__(self) -> int:
        return len(self.scores)

    def predictions(self, most: int | None = None) -> tuple[Prediction, ...]:
        """The detections with their boxes in pixels of the frame, best first, at most so many."""
        return tuple(self._prediction(row) for row in range(len(self))[:most])

    def best(self) -> Prediction | None:
        """The detection with the highest score; None where nothing was found."""
        return next(iter(self.predictions(1)), None)

    def words(self) -> str:
        """The best few detections, and how many more there are."""
        if not self.valid:
            return INVALID_WORDS
        if len(self) == 0:
            return NOTHING_WORDS
        named = ", ".join(each.words() for each in self.predictions(_NAMED_IN_WORDS))
        more = len(self) - _NAMED_IN_WORDS
        return f"{named} and {more} more" if more > 0 else named

    def to_document(self) -> dict[str, Any]:
        """As JSON: ``valid``, and ``detections`` of ``label``, ``class``, ``score`` and ``box`` in pixels."""
        rows = zip(self.labels, self.classes, self.scores, self.boxes, strict=True)
        return {
            "valid": self.valid,
            "detections": [
                {
                    "label": label,
                    "class": int(index),
                    "score": round(float(score), 4),
                    "box": [round(float(side), 1) for side in box],
                }
                for label, index, score, box in rows
            ],
        }

    def _prediction(self, row: int) -> Prediction:
        left, top, right, bottom = (float(side) for side in self.boxes[row])
        index, score = int(self.classes[row]), float(self.scores[row])
        return Prediction(index, self.labels[row], score, (left, top, right, bottom))


@dataclass(frozen=True)
class Detector:
    """Postprocessor of every detection head.

    Attributes:
        head: Decodes the outputs.
        thresholds: What counts as a detection.
        label: Names a class.
        wanted: Which of what counts is given.
    """

    head: Head
    thresholds: Thresholds
    label: Callable[[int], str]
    wanted: Wanted = EVERYTHING

    def __call__(self, outputs: Outputs, placement: Placement, image_shape: tuple[int, int]) -> Detections:
        """Detections of one frame.

        Args:
            outputs: The network's outputs for a batch of one.
            placement: Where the frame lay in the input.
            image_shape: Height and width of the frame.

        Raises:
            ModelRefusedError: The outputs' shapes are not those of the card's decoder.
        """
        if not all_finite(outputs):
            return self._detections(_NOTHING, valid=False)
        thresholds = self.thresholds
        with np.errstate(over="ignore"):  # what a hostile network overflows becomes infinite, and is clipped
            proposed = self.head.decode(outputs, thresholds)
        boxes = np.clip(proposed.boxes, -_FAR_OUTSIDE, _FAR_OUTSIDE)  # so that no area overflows
        # What lies outside the frame shrinks to nothing there. Overlaps, though, are judged on the boxes as
        # the network gave them: two that the frame's edge cuts to the same strip may be of two things.
        in_frame = to_frame(boxes, placement, image_shape)
        inside = np.flatnonzero((areas(in_frame) > 0) & self.wanted.keeps(proposed.classes, proposed.scores))
        kept = inside[self._suppress(boxes[inside], proposed.scores[inside], proposed.classes[inside])]
        return self._detections(
            Candidates(in_frame[kept], proposed.scores[kept], proposed.classes[kept]), valid=True
        )

    def _suppress(self, boxes: Floats, scores: Floats, classes: Indices) -> Indices:
        limit = self.thresholds.max_detections
        if self.head.suppressed:
            return np.argsort(-scores, kind="stable")[:limit]
        return nms(boxes, scores, classes, self.thresholds.iou, limit)

    def _detections(self, kept: Candidates, *, valid: bool) -> Detections:
        labels = tuple(self.label(int(index)) for index in kept.classes)
        return Detections(kept.boxes, kept.scores, kept.classes, labels, valid)


_NOTHING = Candidates(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.intp))


def make_detector(
    card: ModelCard, thresholds: Thresholds | None = None, wanted: Wanted = EVERYTHING
) -> Detector:
    """The postprocessor a card's decoder describes.

    Args:
        card: Of a detection network.
        thresholds: Instead of the card's.
        wanted: Which detections to give; its score goes before the card's.

    Raises:
        InputError: The decoder is missing, of an unknown kind, or a parameter of it is impossible.
    """
    try:
        require_decoder("detect", card.decoder)
    except ValueError as error:
        raise InputError(f"the model card: {error}") from error
    decoder = card.decoder or {}
    ssd = decoder["kind"] == "ssd"
    classes = ClassCheck(card, wanted)
    head = ssd_head(decoder, card.input.size, classes) if ssd else _YOLO_HEADS[decoder["kind"]](classes)
    thresholds = thresholds or read_thresholds(decoder, SSD_THRESHOLDS if ssd else Thresholds())
    if wanted.score is not None:
        thresholds = replace(thresholds, score=wanted.score)
    return Detector(head, thresholds, card.label, wanted)


def all_finite(outputs: Outputs) -> bool:
    """Whether no output holds NaN or infinity (or values so large that their sum is not finite)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return all(bool(np.isfinite(np.sum(output, dtype=np.float32))) for output in outputs)
