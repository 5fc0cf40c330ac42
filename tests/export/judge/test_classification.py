"""Evaluation: what it counts, and that it reproduces the baselines of the trained networks.

The numbers of the trained networks are facts about fixed files, measured by ``pi-export evaluate``; they may
move by a picture or two between machines, whose arithmetic differs in the last bit.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import InputSpec, ModelCard
from export.calibrate.images import ImageFile, ImageFolder, find_images
from export.judge.classification import ClassifierEvaluation, rank_of
from export.judge.contestants import class_indices
from export.judge.evaluate import evaluate
from tests.attacks.command_line import run_here
from tests.attacks.networks import network, save

PICTURES_OF_DOUBT = 2
SLOW = os.environ.get("CI") == "true" or os.environ.get("PI_INFER_TEST_SLOW") == "1"


def classifier(path: Path, result: ClassifierEvaluation) -> tuple[float, float]:
    score = next(score for score in result.scores if score.model == path)
    assert score.top1_percent is not None
    assert score.top5_percent is not None
    return score.top1_percent, score.top5_percent


def assert_baseline(model: Path, images: Path, count: int, top1: float, top5: float) -> None:
    result = evaluate([model], images)
    assert isinstance(result, ClassifierEvaluation)
    assert (result.images, result.skipped) == (count, ())
    doubt = 100 * PICTURES_OF_DOUBT / count
    assert classifier(model, result) == pytest.approx((top1, top5), abs=doubt)


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "images", "baseline"),
    [
        ("gtsrb_cnn", "gtsrb", (3000, 93.17, 98.90)),
        ("squeezenet_imagenet", "imagenette", (1500, 58.87, 79.67)),
        ("resnet18_imagenette", "imagenette", (1500, 91.60, 99.13)),
    ],
)
def test_baselines(name: str, images: str, baseline: tuple[int, float, float], assets: Path) -> None:
    model = assets / "models" / f"{name}.onnx"
    assert_baseline(model, assets / "images" / images / "test", *baseline)


@pytest.mark.assets
def test_baseline_of_gtsrb_with_bicubic_resizing(asset_model: Callable[[str], Path], assets: Path) -> None:
    model = asset_model("gtsrb_cnn")
    card = json.loads(model.with_suffix(".json").read_text())
    card["input"]["interpolation"] = "bicubic"
    model.with_suffix(".json").write_text(json.dumps(card))
    assert_baseline(model, assets / "images" / "gtsrb" / "test", 3000, 93.70, 98.90)


@pytest.mark.assets
def test_baseline_of_vgg19_on_every_tenth_image(assets: Path, tmp_path: Path) -> None:
    for file in find_images(assets / "images" / "caltech101" / "test").files[::10]:
        (tmp_path / str(file.class_name)).mkdir(exist_ok=True)
        (tmp_path / str(file.class_name) / file.path.name).symlink_to(file.path)
    assert_baseline(assets / "models" / "vgg19_caltech101.onnx", tmp_path, 290, 82.76, 94.14)


@pytest.mark.assets
@pytest.mark.skipif(not SLOW, reason="takes minutes: set PI_INFER_TEST_SLOW=1")
def test_baseline_of_vgg19(assets: Path) -> None:
    model = assets / "models" / "vgg19_caltech101.onnx"
    assert_baseline(model, assets / "images" / "caltech101" / "test", 2893, 83.96, 94.09)


# What it counts, on networks whose answer is known: the mean of each colour is a class's score.


def colour_network(path: Path, order: tuple[int, int, int] = (0, 1, 2)) -> Path:
    """Scores red, green and blue, in this order of classes."""
    weights = np.eye(3, dtype=np.float32)[list(order)].reshape(3, 3, 1, 1)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    path.with_suffix(".json").write_text('{"input": {"size": [8, 8]}, "labels": ["red", "green", "blue"]}')
    return path


def paint(folder: Path, name: str, rgb: tuple[int, int, int]) -> None:
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), np.full((8, 8, 3), rgb[::-1], np.uint8))


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    for index in range(3):
        paint(tmp_path / "images" / "red", str(index), (200, 10 + index, 20))
    paint(tmp_path / "images" / "green", "right", (1, 90, 2))
    paint(tmp_path / "images" / "blue", "wrong", (90, 1, 2))
    return tmp_path / "images"


def test_accuracy_agreement_and_loss(colours: Path, tmp_path: Path) -> None:
    right = colour_network(tmp_path / "right.onnx")
    swapped = colour_network(tmp_path / "swapped.onnx", order=(0, 2, 1))
    report = tmp_path / "report.json"
    outcome = run_here("evaluate", right, swapped, "--images", colours, "--json", report)
    assert (outcome.code, outcome.err) == (0, "")
    document = json.loads(report.read_text())
    assert (document["images"], document["skipped"]) == (5, [])
    first, second = document["models"]
    agreement = first.pop("agreement")
    assert (agreement["images"], agreement["percent"], agreement["divergence_nats"]) == (5, 100.0, 0.0)
    assert first == {
        "model": str(right),
        "top1_percent": 80.0,
        "top5_percent": 100.0,
        "top1_drop_points": 0.0,
        "top5_drop_points": 0.0,
        "agreement_percent": 100.0,
    }
    assert second["top1_percent"] == 60.0
    assert second["top1_drop_points"] == 20.0
    assert second["agreement_percent"] == 80.0
    assert second["agreement"]["low_percent"] < 80.0 < second["agreement"]["high_percent"]
    assert second["agreement"]["divergence_nats"] > 0.0


def test_unlabelled_folder_gives_agreement_only(colours: Path, tmp_path: Path) -> None:
    paint(colours, "loose", (3, 2, 1))
    models = [colour_network(tmp_path / "a.onnx"), colour_network(tmp_path / "b.onnx", order=(2, 1, 0))]
    result = evaluate(models, colours)
    assert isinstance(result, ClassifierEvaluation)
    assert result.scores[1].agreement_percent == pytest.approx(100 / 6)
    assert result.scores[1].top1_percent is None
    assert result.to_document()["models"][1]["top1_drop_points"] is None  # type: ignore[index]


def test_networks_of_different_input_see_the_same_pictures(colours: Path, tmp_path: Path) -> None:
    rgb = colour_network(tmp_path / "rgb.onnx")
    bgr = colour_network(tmp_path / "bgr.onnx", order=(2, 1, 0))
    bgr.with_suffix(".json").write_text('{"input": {"size": [8, 8], "colour": "BGR"}}')
    result = evaluate([rgb, bgr], colours)
    assert isinstance(result, ClassifierEvaluation)
    assert result.scores[1].agreement_percent == 100.0


def test_networks_of_different_classes_are_not_compared(colours: Path, tmp_path: Path) -> None:
    model = network(size=8)
    save(model, tmp_path / "four.onnx")
    (tmp_path / "card.json").write_text('{"input": {"size": [8, 8]}}')
    three = colour_network(tmp_path / "three.onnx")
    with pytest.raises(InputError, match="4 classes"):
        evaluate([three, tmp_path / "four.onnx"], colours, card=tmp_path / "card.json")


def folder_of(*classes: str) -> ImageFolder:
    return ImageFolder(Path("r"), tuple(ImageFile(Path("r", name, "a.png"), name) for name in classes))


def card_of(labels: dict[int, str] | None) -> ModelCard:
    return ModelCard(InputSpec((8, 8)), labels=labels)


def test_class_folders_are_matched_by_label_first() -> None:
    card = card_of({0: "b", 1: "a", 7: "c"})
    assert class_indices(folder_of("a", "b"), card, 2) == {"a": 1, "b": 0}
    assert class_indices(folder_of("a", "c"), card, 8) == {"a": 1, "c": 7}


def test_class_folders_are_matched_by_order_where_there_are_as_many() -> None:
    assert class_indices(folder_of("00", "01", "02"), card_of(None), 3) == {"00": 0, "01": 1, "02": 2}
    assert class_indices(folder_of("x", "y"), card_of({0: "0", 1: "1"}), 2) == {"x": 0, "y": 1}


@pytest.mark.parametrize("labels", [None, {0: "a", 1: "b"}])
def test_class_folders_that_match_nothing(labels: dict[int, str] | None) -> None:
    with pytest.raises(InputError, match="cannot tell which class"):
        class_indices(folder_of("a", "z"), card_of(labels), 3)


def test_label_that_names_two_classes() -> None:
    with pytest.raises(InputError, match="names 2 classes"):
        class_indices(folder_of("crane"), card_of({0: "crane", 1: "crane", 2: "ox"}), 3)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_ranks_are_a_permutation_even_with_ties(values: list[int]) -> None:
    scores = np.array(values, np.float64)
    ranks = [rank_of(scores, index) for index in range(len(values))]
    assert sorted(ranks) == list(range(len(values)))
    assert ranks[int(np.argmax(scores))] == 0
