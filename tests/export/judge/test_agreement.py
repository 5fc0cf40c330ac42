"""Agreement of two networks' outputs, counted by hand."""

import numpy as np
import pytest

from export.judge.agreement import kept_variance_percent, same_class_percent, same_detections_percent
from tests.export.judge.boxes import BOX, OTHER, SAME, detections


def test_same_class_counts_images() -> None:
    first = [[np.eye(3, dtype=np.float32)[None, i]] for i in (0, 1, 2, 2)]
    second = [[np.eye(3, dtype=np.float32)[None, i]] for i in (0, 1, 2, 0)]
    assert same_class_percent(first, second) == 75.0


def test_constant_outputs_are_kept_or_not() -> None:
    constant = [[np.ones((1, 2), np.float32)]] * 3
    assert kept_variance_percent(constant, constant) == 100.0
    assert kept_variance_percent(constant, [[np.zeros((1, 2), np.float32)]] * 3) == 0.0


def test_agreement_is_the_f1_score() -> None:
    first = [detections([BOX, OTHER], [0, 1]), detections([BOX], [0])]
    found = [detections([SAME], [0]), detections([BOX, OTHER, BOX], [1, 0, 0])]
    assert same_detections_percent(found, first) == pytest.approx(100 * 2 * 2 / (3 + 4))
    assert same_detections_percent(first, found) == same_detections_percent(found, first)
    assert same_detections_percent(first, first) == 100


def test_agreement_where_nothing_is_found() -> None:
    nothing = [detections([], [])]
    assert same_detections_percent(nothing, nothing) == 100
    assert same_detections_percent(nothing, [detections([BOX], [0])]) == 0
