"""YOLO heads: version 5 (with objectness), 8 to 11 (without), and any version exported with its own NMS.

All give boxes in pixels of the network's input. There are always more boxes than numbers per box: that tells
a card that names the wrong version.
"""

import numpy as np

from edge_runtime.model.image import Outputs
from edge_runtime.postprocess.boxes import corners
from edge_runtime.postprocess.candidates import (
    Candidates,
    Head,
    Thresholds,
    pick,
    require_scores,
    require_shape,
)
from edge_runtime.postprocess.class_check import ClassCheck

_MAX_CLASSES = 100_000


def yolov5_head(require_classes: ClassCheck) -> Head:
    """Rows of centre x, centre y, width, height, objectness and a score per class: (1, N, 5 + classes).

    Args:
        require_classes: Told how many classes there are.
    """

    def decode(outputs: Outputs, thresholds: Thresholds) -> Candidates:
        shape = outputs[0].shape
        fits = len(shape) == 3 and shape[0] == 1 and 6 <= shape[2] <= shape[1]
        require_shape(fits, outputs, f"yolov5: (1, boxes, 5 + {require_classes.named or 'classes'})")
        require_classes(shape[2] - 5)
        rows = outputs[0][0]
        require_scores(rows[:, 4], "yolov5")
        # A class score is at most 1, so most rows go by their objectness alone.
        rows = rows[rows[:, 4] > thresholds.score].astype(np.float32, copy=False)
        require_scores(rows[:, 5:], "yolov5")
        scores = rows[:, 5:] * rows[:, 4:5]
        chosen, indices = pick(scores, thresholds)
        return Candidates(corners(rows[chosen, :4]), scores[chosen, indices], indices)

    return Head(decode)


def yolov8_head(require_classes: ClassCheck) -> Head:
    """Columns of centre x, centre y, width, height and a score per class: (1, 4 + classes, N).

    Args:
        require_classes: Told how many classes there are.
    """

    def decode(outputs: Outputs, thresholds: Thresholds) -> Candidates:
        shape = outputs[0].shape
        fits = len(shape) == 3 and shape[0] == 1 and 5 <= shape[1] <= shape[2]
        require_shape(fits, outputs, f"yolov8: (1, 4 + {require_classes.named or 'classes'}, boxes)")
        require_classes(shape[1] - 4)
        columns = outputs[0][0]
        require_scores(columns[4:], "yolov8")
        scores = columns[4:].T
        chosen, indices = pick(scores, thresholds)
        boxes = corners(columns[:4, chosen].T.astype(np.float32))
        return Candidates(boxes, scores[chosen, indices].astype(np.float32), indices)

    return Head(decode)


def yolo_nms_head(require_classes: ClassCheck) -> Head:
    """Rows of left, top, right, bottom, score and class, suppressed and padded with zeros: (1, N, 6).

    Args:
        require_classes: Tells how many classes the card names; a detection of a class beyond is refused.
    """
    classes = require_classes.named or _MAX_CLASSES

    def decode(outputs: Outputs, thresholds: Thresholds) -> Candidates:
        shape = outputs[0].shape
        require_shape(len(shape) == 3 and shape[0] == 1 and shape[2] == 6, outputs, "yolo_nms: (1, boxes, 6)")
        rows = outputs[0][0].astype(np.float32, copy=False)
        rows = rows[rows[:, 4] > thresholds.score]
        require_scores(rows[:, 4], "yolo_nms")
        indices = rows[:, 5]
        in_range = bool(np.all((indices >= 0) & (indices < classes)))
        require_shape(in_range, outputs, f"yolo_nms: classes below {classes}")
        return Candidates(rows[:, :4], rows[:, 4], indices.astype(np.intp))

    return Head(decode, suppressed=True)
