"""Pictures on which two networks differ: which are found, and how they are shown."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.inference import Model
from edge_runtime.model.card import parse_card
from export.calibrate.images import find_images
from export.judge.differences import SHOWN, THUMBNAIL_PIXELS, differences
from tests.attacks.images import good_images
from tests.attacks.networks import write_network
from tests.export.propose.heads import write_head


def _label(words: str) -> str:
    """The best class of a result in words, as in ``cat 97.3 %, dog 1.0 %``."""
    return words.partition(",")[0].rsplit(maxsplit=2)[0]


def test_they_are_those_of_which_the_answers_differ(tmp_path: Path) -> None:
    good_images(tmp_path / "images", 30)
    models = []
    for seed in (0, 1):
        write_network(tmp_path / f"{seed}.onnx", seed)
        models.append(Model.open(tmp_path / f"{seed}.onnx", threads=1))
    files = find_images(tmp_path / "images").files
    answers = [[model(cv2.imread(str(file.path))).best() for file in files] for model in models]
    expected = sum(first.index != second.index for first, second in zip(*answers, strict=True))
    found = differences(*models, files)
    assert found is not None
    assert (found.images, found.count) == (30, expected)
    assert 0 < len(found.shown) == min(expected, SHOWN)
    sure = [float(each.before.partition(",")[0].split()[-2]) for each in found.shown]
    assert sure == sorted(sure, reverse=True)
    assert all(_label(each.before) != _label(each.after) for each in found.shown)
    picture = cv2.imdecode(np.frombuffer(found.shown[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[:2] == (found.shown[0].height, found.shown[0].width)
    assert max(picture.shape[:2]) == THUMBNAIL_PIXELS


def test_the_same_network_never_differs(tmp_path: Path) -> None:
    good_images(tmp_path / "images", 5)
    write_network(tmp_path / "m.onnx")
    model = Model.open(tmp_path / "m.onnx", threads=1)
    found = differences(model, model, find_images(tmp_path / "images").files)
    assert found is not None
    assert (found.count, found.shown) == (0, ())


@pytest.mark.parametrize(("score", "count"), [(0.9, 0), (0.1, 4)])
def test_detections_differ_in_number(tmp_path: Path, score: float, count: int) -> None:
    good_images(tmp_path / "images", 4)
    card = parse_card(
        '{"task": "detect", "labels": ["cat"], "input": {"size": [64, 64]}, "decoder": {"kind": "yolo_nms"}}',
        "a test",
    )
    models = []
    for second in (0.9, score):
        boxes = np.array([[[5, 6, 30, 40, 0.9, 0], [30, 6, 60, 40, second, 0]]], np.float32)
        models.append(Model.open(write_head(tmp_path / f"{second}.onnx", boxes), card, threads=1))
    found = differences(*models, find_images(tmp_path / "images").files)
    assert found is not None
    assert found.count == count


def test_outputs_without_answers_cannot_be_compared(tmp_path: Path) -> None:
    good_images(tmp_path / "images", 2)
    card = parse_card('{"task": "raw", "input": {"size": [64, 64]}}', "a test")
    path = write_head(tmp_path / "m.onnx", np.ones((1, 4), np.float32))
    model = Model.open(path, card, threads=1)
    assert differences(model, model, find_images(tmp_path / "images").files) is None
