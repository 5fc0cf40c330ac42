"""The SSD head: against its definition written as loops, hostile cards, and the real network."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.frames.image_file import read_image
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.model.image import Placement
from edge_runtime.model.preprocess import Preprocessor
from edge_runtime.postprocess.detections import make_detector
from edge_runtime.postprocess.select import make_postprocessor
from edge_runtime.postprocess.ssd import read_anchors

DECODER: dict[str, Any] = {
    "kind": "ssd",
    "feature_maps": [[2, 3], [1, 1]],
    "anchor_sizes": [[0.2, 0.3], [0.6]],
    "anchor_ratios": [[1, 0.5, 2], [1, 0.5]],
    "variances": [0.1, 0.1, 0.2, 0.2],
}
ANCHORS = 2 * 3 * 4 + 1 * 2
FRAME = (50, 100)
AS_IS = Placement(1.0, 1.0, 0, 0)


def card(**changes: Any) -> ModelCard:
    return ModelCard(InputSpec(FRAME), "detect", {0: "mask", 1: "no_mask"}, {**DECODER, **changes})


def anchors_by_definition() -> list[list[float]]:
    found = []
    lists = zip(DECODER["feature_maps"], DECODER["anchor_sizes"], DECODER["anchor_ratios"], strict=True)
    for (rows, columns), sizes, ratios in lists:
        for row in range(rows):
            for column in range(columns):
                for size, ratio in [(s, ratios[0]) for s in sizes] + [(sizes[0], r) for r in ratios[1:]]:
                    centre = [(column + 0.5) / columns, (row + 0.5) / rows]
                    found.append([*centre, size * math.sqrt(ratio), size / math.sqrt(ratio)])
    return found


def test_anchors_are_in_the_documented_order() -> None:
    np.testing.assert_allclose(read_anchors(DECODER), anchors_by_definition(), rtol=1e-6)


def test_each_anchor_is_decoded_by_the_documented_formula() -> None:
    offsets = np.random.default_rng(0).normal(0, 1, (1, ANCHORS, 4)).astype(np.float32)
    detector = make_detector(card())
    for index, (cx, cy, w, h) in enumerate(anchors_by_definition()):
        scores = np.zeros((1, ANCHORS, 2), np.float32)
        scores[0, index, 1] = 0.9
        found = detector([offsets, scores], AS_IS, FRAME)
        a, b, c, d = offsets[0, index].tolist()
        x, y = (a * 0.1 * w + cx) * 100, (b * 0.1 * h + cy) * 50
        half_width, half_height = math.exp(c * 0.2) * w * 50, math.exp(d * 0.2) * h * 25
        box = [x - half_width, y - half_height, x + half_width, y + half_height]
        np.testing.assert_allclose(found.boxes, [np.clip(box, 0, [100, 50, 100, 50])], rtol=1e-4, atol=1e-4)
        assert found.labels == ("no_mask",)


def test_defaults_are_those_of_ssd() -> None:
    thresholds = make_detector(card()).thresholds
    assert (thresholds.score, thresholds.iou) == (0.5, 0.4)


def test_enormous_offsets_do_no_harm() -> None:
    offsets = np.full((1, ANCHORS, 4), 1e30, np.float32)
    found = make_detector(card())([offsets, np.ones((1, ANCHORS, 2), np.float32)], AS_IS, FRAME)
    assert found.valid
    assert np.all((found.boxes >= 0) & (found.boxes <= [100, 50, 100, 50]))


@pytest.mark.parametrize("which", [0, 1])
def test_nan_marks_the_frame(which: int) -> None:
    outputs = [np.ones((1, ANCHORS, 4), np.float32), np.ones((1, ANCHORS, 2), np.float32)]
    outputs[which][0, 3, 1] = np.nan
    assert make_detector(card())(outputs, AS_IS, FRAME).to_document() == {"valid": False, "detections": []}


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, ANCHORS, 4)],
        [(1, ANCHORS + 1, 4), (1, ANCHORS + 1, 2)],
        [(1, ANCHORS, 2), (1, ANCHORS, 4)],
        [(2, ANCHORS, 4), (2, ANCHORS, 2)],
        [(ANCHORS, 4), (ANCHORS, 2)],
    ],
)
def test_outputs_of_another_shape_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelRefusedError, match=rf"ssd: \(1, {ANCHORS}, 4\).*pi-export card"):
        make_detector(card())([np.zeros(shape, np.float32) for shape in shapes], AS_IS, FRAME)


def test_fewer_classes_than_the_card_names_are_refused() -> None:
    outputs = [np.zeros((1, ANCHORS, 4), np.float32), np.zeros((1, ANCHORS, 1), np.float32)]
    with pytest.raises(InputError, match="names 2 classes but the network gives 1 scores"):
        make_detector(card())(outputs, AS_IS, FRAME)


def test_scores_that_are_no_probabilities_are_refused() -> None:
    outputs = [np.zeros((1, ANCHORS, 4), np.float32), np.full((1, ANCHORS, 2), 7.5, np.float32)]
    with pytest.raises(ModelRefusedError, match=r"from 0 to 7.5, and the card's decoder \(ssd\)"):
        make_detector(card())(outputs, AS_IS, FRAME)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"anchor_sizes": [[0.2, 0.3]]}, "2 feature_maps, 1 anchor_sizes and 2 anchor_ratios"),
        ({"feature_maps": None}, "needs feature_maps"),
        ({"feature_maps": []}, "needs feature_maps"),
        ({"feature_maps": [[2, 3], [1.5, 1]]}, "whole numbers"),
        ({"feature_maps": [[2, 3], [1, 1, 1]]}, "whole numbers"),
        ({"feature_maps": [[2, 3], [10**6, 10**6]]}, "anchors; at most"),
        ({"anchor_ratios": [[1, 0], [1]]}, "positive numbers"),
        ({"anchor_ratios": [[], [1]]}, "positive numbers"),
        ({"anchor_sizes": [[0.2, "big"], [0.6]]}, "positive numbers"),
        ({"anchor_sizes": [[float("inf")], [0.6]]}, "positive numbers"),
        ({"variances": [0.1, 0.2]}, "variances needs 4 numbers, not 2"),
        ({"variances": 0.1}, "positive numbers"),
        ({"anchors": 4}, "unknown key decoder.anchors"),
    ],
)
def test_a_wrong_decoder_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_detector(card(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.assets
def test_the_real_network_finds_the_masked_face(assets: Path) -> None:
    network = open_network(assets / "models" / "facemask_ssd.onnx")
    card = network.card()
    assert (
        len(read_anchors(json.loads((assets / "models" / "facemask_ssd.json").read_text())["decoder"]))
        == 5972
    )
    image = read_image(assets / "images" / "facemask" / "test" / "with_mask" / "100-with-mask.jpg")
    preprocessor = Preprocessor(card.input)
    outputs = network.run(preprocessor(image))
    found = make_postprocessor(card)(outputs, preprocessor.placement(image), image.shape[:2]).to_document()
    (face,) = found["detections"]
    assert face["label"] == "mask"
    assert face["score"] > 0.99
    assert face["box"] == pytest.approx([53.7, 74.7, 259.5, 352.3], abs=0.5)
