"""SSD heads: offsets from fixed anchors, and a score per class.

Per cell of each feature map (row major, centres at (i + 0.5) / n) stand these anchors: each size with the
first ratio, then the first size with each other ratio; width ``s·√ratio``, height ``s/√ratio``, all relative
to the input. With variances v: ``cx = loc₀·v₀·w_a + cx_a``, ``cy = loc₁·v₁·h_a + cy_a``,
``w = exp(loc₂·v₂)·w_a``, ``h = exp(loc₃·v₃)·h_a``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_runtime.base.errors import InputError
from edge_runtime.model.image import Outputs
from edge_runtime.postprocess.boxes import Floats, corners
from edge_runtime.postprocess.candidates import (
    Candidates,
    Head,
    Thresholds,
    pick,
    require_scores,
    require_shape,
)
from edge_runtime.postprocess.class_check import ClassCheck

DEFAULT_THRESHOLDS = Thresholds(score=0.5, iou=0.4)
MAX_ANCHORS = 1_000_000
_MAX_LOG_SIZE = 20.0  # a box 5e8 times its anchor: no exponential may overflow


def ssd_head(decoder: Mapping[str, Any], input_size: tuple[int, int], require_classes: ClassCheck) -> Head:
    """A head with outputs (1, anchors, 4) offsets and (1, anchors, classes) scores between 0 and 1.

    Args:
        decoder: ``feature_maps``, ``anchor_sizes``, ``anchor_ratios`` and ``variances`` of the card.
        input_size: Height and width of the network's input.
        require_classes: Told how many classes there are.

    Raises:
        InputError: A parameter is missing, or they do not fit each other.
    """
    anchors = read_anchors(decoder)
    variances = _numbers(decoder, "variances", 4)
    pixels = np.array([input_size[1], input_size[0]] * 2, np.float32)

    def decode(outputs: Outputs, thresholds: Thresholds) -> Candidates:
        shapes = [output.shape for output in outputs]
        fits = (
            len(shapes) == 2
            and shapes[0] == (1, len(anchors), 4)
            and shapes[1][:2] == (1, len(anchors))
            and len(shapes[1]) == 3
            and shapes[1][2] >= 1
        )
        classes = require_classes.named or "classes"
        require_shape(fits, outputs, f"ssd: (1, {len(anchors)}, 4), (1, {len(anchors)}, {classes})")
        require_classes(shapes[1][2])
        scores = outputs[1][0]
        require_scores(scores, "ssd")
        rows, indices = pick(scores, thresholds)
        boxes = _decode_boxes(outputs[0][0, rows], anchors[rows], variances) * pixels
        return Candidates(corners(boxes), scores[rows, indices].astype(np.float32), indices)

    return Head(decode)


def read_anchors(decoder: Mapping[str, Any]) -> Floats:
    """All anchors of a card's decoder: (N, 4) centre x, centre y, width, height, relative to the input.

    Raises:
        InputError: The lists have different lengths or impossible values.
    """
    maps = _lists(decoder, "feature_maps")
    sizes = _lists(decoder, "anchor_sizes")
    ratios = _lists(decoder, "anchor_ratios")
    if not len(maps) == len(sizes) == len(ratios):
        raise InputError(
            f"the model card's decoder has {len(maps)} feature_maps, {len(sizes)} anchor_sizes and "
            f"{len(ratios)} anchor_ratios: each feature map needs one entry of each"
        )
    if any(len(cells) != 2 or any(n != int(n) for n in cells) for cells in maps):
        raise InputError(
            "the model card's decoder: each of feature_maps is two whole numbers, rows and columns"
        )
    count = sum(math.prod(m) * (len(s) + len(r) - 1) for m, s, r in zip(maps, sizes, ratios, strict=True))
    if count > MAX_ANCHORS:
        raise InputError(
            f"the model card's decoder describes {count:.0f} anchors; at most {MAX_ANCHORS} make sense"
        )
    return np.concatenate([_map_anchors(*each) for each in zip(maps, sizes, ratios, strict=True)])


def _map_anchors(cells: Sequence[float], sizes: Sequence[float], ratios: Sequence[float]) -> Floats:
    height, width = (int(n) for n in cells)
    pairs = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    shapes = np.array([(size * math.sqrt(ratio), size / math.sqrt(ratio)) for size, ratio in pairs])
    y, x = np.mgrid[:height, :width] + 0.5
    centres = np.stack([x / width, y / height], axis=-1).reshape(-1, 1, 2)
    grid_shape = (len(centres), len(shapes), 2)
    both = np.concatenate([np.broadcast_to(centres, grid_shape), np.broadcast_to(shapes, grid_shape)], axis=2)
    return both.reshape(-1, 4).astype(np.float32)


def _decode_boxes(offsets: Floats, anchors: Floats, variances: Floats) -> Floats:
    scaled = offsets.astype(np.float32, copy=False) * variances
    centres = scaled[:, :2] * anchors[:, 2:] + anchors[:, :2]
    sides = np.exp(np.minimum(scaled[:, 2:], _MAX_LOG_SIZE)) * anchors[:, 2:]
    return np.concatenate([centres, sides], axis=1)


def _lists(decoder: Mapping[str, Any], key: str) -> list[list[float]]:
    value = decoder.get(key)
    if not isinstance(value, list | tuple) or not value:
        raise InputError(f"the model card's decoder needs {key}: a list with an entry per feature map")
    return [_positive(key, entry) for entry in value]


def _numbers(decoder: Mapping[str, Any], key: str, count: int) -> Floats:
    values = _positive(key, decoder.get(key))
    if len(values) != count:
        raise InputError(f"the model card's decoder: {key} needs {count} numbers, not {len(values)}")
    return np.array(values, np.float32)


def _positive(key: str, value: Any) -> list[float]:
    numbers = value if isinstance(value, list | tuple) else []
    if not numbers or not all(_is_positive(number) for number in numbers):
        raise InputError(
            f"the model card's decoder: {key} must be lists of positive numbers, not {value!r:.60}"
        )
    return [float(number) for number in numbers]


def _is_positive(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < math.inf
