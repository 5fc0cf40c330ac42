"""Mean average precision: agrees with pycocotools, on made-up boxes and on what the real network finds."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.model.preprocess import Preprocessor
from edge_runtime.postprocess.boxes import Floats, corners
from edge_runtime.postprocess.candidates import EVALUATION
from edge_runtime.postprocess.detections import Detections, make_detector
from export.calibrate.images import ImageReader
from export.judge.average_precision import average_precision, match
from export.judge.box_labels import TrueBoxes, find_box_folder


def coco_stats(detections: Sequence[Detections], truths: Sequence[TrueBoxes]) -> tuple[float, float]:
    """mAP50 and mAP as pycocotools computes them."""
    annotations = []
    for image, truth in enumerate(truths):
        for box, index in zip(truth.boxes.tolist(), truth.classes.tolist(), strict=True):
            entry = {"id": len(annotations) + 1, "image_id": image, "category_id": index, "iscrowd": 0}
            annotations.append(entry | {"bbox": _xywh(box), "area": 1.0})
    found = [
        {"image_id": image, "category_id": index, "score": score, "bbox": _xywh(box)}
        for image, own in enumerate(detections)
        for box, score, index in zip(
            own.boxes.tolist(), own.scores.tolist(), own.classes.tolist(), strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth_set = COCO()
        images = [{"id": image} for image in range(len(truths))]
        categories = [{"id": index} for index in range(80)]
        truth_set.dataset = {
            "info": {},
            "images": images,
            "annotations": annotations,
            "categories": categories,
        }
        truth_set.createIndex()
        evaluation = COCOeval(truth_set, truth_set.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[1]), float(evaluation.stats[0])


def _xywh(box: list[float]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def true_boxes(boxes: object, classes: object) -> TrueBoxes:
    return TrueBoxes(np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.intp))


def detections(boxes: object, scores: object, classes: object) -> Detections:
    indices = np.array(classes, np.intp)
    corner_boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(corner_boxes, np.array(scores, np.float32), indices, ("",) * len(indices))


def scene(generator: np.random.Generator, classes: int) -> tuple[Detections, TrueBoxes]:
    """True boxes, and detections that are near them, elsewhere, of another class, double, or missing."""
    count = int(generator.integers(0, 8))
    truth = np.column_stack([generator.uniform(20, 80, (count, 2)), generator.uniform(5, 40, (count, 2))])
    kinds = generator.integers(0, classes, count)
    near = np.repeat(np.arange(count), generator.integers(0, 4, count))
    elsewhere = np.column_stack([generator.uniform(20, 80, (3, 2)), generator.uniform(5, 40, (3, 2))])
    boxes = np.concatenate([truth[near] + generator.normal(0, 2, (len(near), 4)), elsewhere])
    labels = np.concatenate([kinds[near], generator.integers(0, classes, 3)])
    wrong = generator.random(len(labels)) < 0.2
    labels[wrong] = generator.integers(0, classes, wrong.sum())
    scores = generator.choice(np.linspace(0.05, 0.95, 19), len(labels))  # many equal scores
    order = np.argsort(-scores, kind="stable")
    return (
        detections(_corners(boxes)[order], scores[order], labels[order]),
        true_boxes(_corners(truth), kinds),
    )


def _corners(boxes: Floats) -> Floats:
    return corners(boxes.astype(np.float32))


@pytest.mark.parametrize("seed", range(12))
def test_it_agrees_with_pycocotools(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scenes = [scene(generator, classes=1 + seed % 5) for _ in range(15)]
    found, truths = zip(*scenes, strict=True)
    own = average_precision(found, truths)
    assert (own.map50, own.map) == pytest.approx(coco_stats(found, truths), abs=1e-6)
    assert 0.05 < own.map < own.map50 < 0.99  # the scenes are neither hopeless nor trivial


@pytest.mark.assets
def test_it_agrees_with_pycocotools_on_the_real_network(assets: Path) -> None:
    network = open_network(assets / "models" / "yolov5n_coco.onnx")
    preprocessor = Preprocessor(network.card().input)
    detector = make_detector(network.card(), EVALUATION)
    folder = find_box_folder(assets / "images" / "coco-val128")
    assert folder is not None
    found, truths = [], []
    for image in ImageReader(folder.images.files[:32]):
        shape = image.pixels.shape[:2]
        outputs = network.run(preprocessor(image.pixels))
        found.append(detector(outputs, preprocessor.placement(image.pixels), shape))
        truths.append(folder.truth(image.file.path, shape))
    own = average_precision(found, truths)
    assert (own.map50, own.map) == pytest.approx(coco_stats(found, truths), abs=1e-6)


def test_more_than_a_hundred_detections_in_an_image_are_cut_as_pycocotools_does() -> None:
    truth = true_boxes([[0, 0, 10, 10]], [0])
    many = detections([[50, 50, 60, 60]] * 100 + [[0, 0, 10, 10]], [0.9] * 100 + [0.5], [0] * 101)
    assert coco_stats([many], [truth])[0] == 0
    assert average_precision([many], [truth]).map50 == 0


def test_perfect_detections_score_one() -> None:
    truths = [true_boxes([[0, 0, 10, 10], [20, 20, 30, 40]], [3, 5]), true_boxes([], [])]
    found = [detections(truths[0].boxes, [0.9, 0.8], [3, 5]), detections([], [], [])]
    result = average_precision(found, truths)
    assert (result.map50, result.map, result.per_class) == (1.0, 1.0, {3: 1.0, 5: 1.0})


def test_an_overlap_of_three_quarters_counts_at_six_of_ten_thresholds() -> None:
    result = average_precision(
        [detections([[0, 0, 10, 7.5]], [0.9], [0])], [true_boxes([[0, 0, 10, 10]], [0])]
    )
    assert (result.map50, result.map) == pytest.approx((1.0, 0.6))


def test_a_class_never_found_counts_as_zero() -> None:
    truth = true_boxes([[0, 0, 10, 10], [0, 0, 10, 10]], [0, 1])
    assert average_precision([detections([[0, 0, 10, 10]], [0.9], [0])], [truth]).map50 == 0.5


def test_without_truth_there_is_nothing_to_find() -> None:
    result = average_precision([detections([[0, 0, 1, 1]], [0.9], [0])], [true_boxes([], [])])
    assert (result.map50, result.map, result.per_class) == (0.0, 0.0, {})


def test_a_true_box_is_given_away_once_and_to_the_best_score() -> None:
    overlaps = np.array([[0.6, 0.0], [0.9, 0.55], [0.8, 0.0]], np.float32)
    assert match(overlaps, 0.5).tolist() == [True, True, False]
