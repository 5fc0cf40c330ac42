"""What every kind of result answers to whoever shows it, whatever its task."""

import json

import numpy as np
import pytest

from edge_runtime.postprocess.base import INVALID_WORDS, Prediction, Result
from edge_runtime.postprocess.classify import Classification
from edge_runtime.postprocess.detections import Detections
from edge_runtime.postprocess.raw import RawOutputs

CAT, DOG = Prediction(3, "cat", 0.91234), Prediction(0, "dog", 0.05)
BOXES = [(1.0, 2.0, 3.25, 4.0), (5.0, 6.0, 7.0, 8.0), (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 2.0, 2.0)]
TWO_OUTPUTS = (np.zeros((1, 3), np.float32), np.zeros(2, np.float32))

LABELS_TEXT = (
    '{"valid": true, "labels": [{"label": "cat", "class": 3, "score": 0.9123}, '
    '{"label": "dog", "class": 0, "score": 0.05}]}'
)
DETECTIONS_TEXT = (
    '{"valid": true, "detections": [{"label": "cat", "class": 0, "score": 0.9, "box": [1.0, 2.0, 3.2, 4.0]}]}'
)
OUTPUTS_TEXT = (
    '{"valid": true, "outputs": '
    '[{"shape": [1, 2], "min": 1.0, "max": 3.0, "mean": 2.0, "values": [1.0, 3.0]}]}'
)


def detections(count: int, *, valid: bool = True) -> Detections:
    boxes = np.array(BOXES[:count], np.float32).reshape(-1, 4)
    scores = np.array([0.9, 0.8, 0.7, 0.6][:count], np.float32)
    return Detections(boxes, scores, np.arange(count), ("cat", "dog", "owl", "elk")[:count], valid)


@pytest.mark.parametrize(
    ("result", "best", "words"),
    [
        (Classification((CAT, DOG)), CAT, "cat 91.2 %"),
        (Classification((), valid=False), None, INVALID_WORDS),
        (detections(0), None, "nothing found"),
        (detections(0, valid=False), None, INVALID_WORDS),
        (
            detections(2),
            Prediction(0, "cat", pytest.approx(0.9), (1.0, 2.0, 3.25, 4.0)),
            "cat 90.0 %, dog 80.0 %",
        ),
        (
            detections(4),
            Prediction(0, "cat", pytest.approx(0.9), (1.0, 2.0, 3.25, 4.0)),
            "cat 90.0 %, dog 80.0 %, owl 70.0 % and 1 more",
        ),
        (RawOutputs(TWO_OUTPUTS, valid=True), None, "output [1, 3], output [2]"),
        (RawOutputs((np.full(2, np.nan, np.float32),), valid=False), None, INVALID_WORDS),
    ],
)  # fmt: skip
def test_the_best_and_the_words(result: Result, best: Prediction | None, words: str) -> None:
    assert result.best() == best
    assert result.words() == words


@pytest.mark.parametrize(("result", "count"), [(Classification((CAT, DOG)), 2), (detections(4), 4)])
def test_predictions_are_all_or_the_first_few_and_the_best_is_the_first(result: Result, count: int) -> None:
    every = result.predictions()
    assert len(every) == count
    assert result.predictions(1) == every[:1] == (result.best(),)
    assert [each.score for each in every] == sorted((each.score for each in every), reverse=True)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (Classification((CAT, DOG)), LABELS_TEXT),
        (detections(1), DETECTIONS_TEXT),
        (RawOutputs((np.array([[1.0, 3.0]], np.float32),), valid=True), OUTPUTS_TEXT),
    ],
)
def test_the_documents_that_programs_read(result: Result, text: str) -> None:
    assert json.dumps(result.to_document()) == text
