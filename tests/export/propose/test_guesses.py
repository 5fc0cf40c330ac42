"""Cards proposed for networks whose exporter wrote nothing, or only how it prepares frames."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from edge_runtime.model.card import parse_card
from tests.attacks.command_line import assert_one_line, run_here
from tests.export.propose.heads import CELLS, SIDE, Values, scores, write_head


def proposed(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What ``--propose`` writes, and each guess with its reason."""
    outcome = run_here("card", path, "--propose")
    assert outcome.code == 0
    lines = [line.removeprefix("pi-export: ") for line in outcome.err.splitlines()]
    return json.loads(outcome.out), dict(line.split(" is a guess: ", 1) for line in lines)


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "task", "kind", "labels", "size"),
    [
        ("gtsrb_cnn", "classify", None, 43, [30, 30]),
        ("vgg19_caltech101", "classify", None, 101, [160, 160]),
        ("squeezenet_imagenet", "classify", None, 1000, [227, 227]),
        ("resnet18_imagenette", "classify", None, 10, [224, 224]),
        ("yolov5n_coco", "detect", "yolov5", "COCO-80", [320, 320]),
        ("facemask_ssd", "detect", "ssd", 2, [260, 260]),
    ],
)
def test_real_networks_are_taken_for_what_they_are(
    name: str,
    task: str,
    kind: str | None,
    labels: object,
    size: list[int],
    *,
    asset_model: Callable[[str], Path],
) -> None:
    document, guesses = proposed(asset_model(name))
    assert (document["task"], document["labels"], document["input"]["size"]) == (task, labels, size)
    assert document.get("decoder", {}).get("kind") == kind
    assert {"input.resize", "input.colour", "input.scale"} <= set(guesses)


@pytest.mark.parametrize(
    ("outputs", "task", "kind", "classes"),
    [
        ([scores(1, 5)], "classify", None, 5),
        ([scores(1, 5, 1, 1)], "classify", None, 5),
        ([scores(1, 1)], "classify", None, ["no", "yes"]),
        ([scores(1), scores(1, 7)], "classify", None, 7),
        ([scores(1, 9, CELLS)], "detect", "yolov8", 5),
        ([scores(1, 3 * CELLS, 9)], "detect", "yolov5", 4),
        ([scores(1, 300, 6)], "detect", "yolo_nms", None),
        ([scores(1, 50, 4), scores(1, 50, 3)], "detect", "ssd", 3),
    ],
)
def test_the_task_and_the_decoder_follow_from_the_shapes(
    outputs: list[Values], task: str, kind: str | None, classes: object, tmp_path: Path
) -> None:
    document, guesses = proposed(write_head(tmp_path / "m.onnx", *outputs))
    assert (document["task"], document.get("labels")) == (task, classes)
    assert document.get("decoder", {}).get("kind") == kind
    assert ("decoder.kind" in guesses) == (kind is not None)
    assert document["input"]["size"] == [SIDE, SIDE]
    assert "input.size" not in guesses


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        ([scores(1, 3, 16, 16)], "of no head that has a decoder"),
        (
            [scores(1, 40, 96)],
            "not for as many cells as 64x64 images have",
        ),  # letters read from left to right
        ([scores(1, CELLS, 9)], "as YOLOX gives, which has no decoder yet"),
        ([300 * scores(1, 9, CELLS)], "its scores are not from 0 to 1"),  # key points in pixels
        ([scores(1, 41, CELLS), scores(1, 32, 16, 16)], "of no head that has a decoder"),
    ],
)
def test_what_no_decoder_reads_is_handed_on_raw_and_said(
    outputs: list[Values], why: str, tmp_path: Path
) -> None:
    path = write_head(tmp_path / "m.onnx", *outputs)
    document, guesses = proposed(path)
    assert document["task"] == "raw"
    assert why in guesses["task"]
    assert parse_card(json.dumps(document), "card").task == "raw"


def test_pixels_are_guessed_from_who_wrote_it_and_how_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    document, guesses = proposed(write_head(path, scores(1, 5), producer="pytorch"))
    assert document["input"]["mean"] == [0.485, 0.456, 0.406]
    assert "ImageNet" in guesses["input.std"]
    document, guesses = proposed(write_head(path, scores(1, 5), producer="tf2onnx"))
    assert "mean" not in document["input"]
    assert document["input"]["scale"] == pytest.approx(1 / 255)
    document, guesses = proposed(write_head(path, scores(1, 5), producer="pytorch", first="Div"))
    assert document["input"] | {"size": 0} == {"size": 0, "resize": "crop", "colour": "RGB", "scale": 1.0}
    assert "begins with Div" in guesses["input.scale"]


def test_onnxs_own_words_for_images_are_no_guesses(tmp_path: Path) -> None:
    # As Azure Custom Vision writes them; letters of any case.
    said = {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"}
    path = tmp_path / "m.onnx"
    document, guesses = proposed(write_head(path, scores(1, 5), metadata=said, producer="pytorch"))
    assert document["input"] | {"size": 0} == {
        "size": 0, "resize": "crop", "colour": "BGR", "scale": 1.0, "mean": 0.0, "std": 1.0,
    }  # fmt: skip
    assert set(guesses) == {"labels", "input.resize"}
    said = {"image.bitmappixelformat": "RGB8", "Image.NominalPixelRange": "Normalized_1_1"}
    document, _ = proposed(write_head(path, scores(1, 5), metadata=said))
    spec = document["input"]
    low, high = ((np.array([0, 255]) * spec["scale"] - spec["mean"]) / spec["std"]).tolist()
    assert (spec["colour"], low, high) == ("RGB", pytest.approx(-1), pytest.approx(1))
    said = {"Image.BitmapPixelFormat": "Gray8", "Image.NominalPixelRange": "NominalRange_16_235"}
    document, guesses = proposed(write_head(path, scores(1, 5), metadata=said))
    assert {"input.colour", "input.scale"} <= set(guesses)  # three channels are not grey


def test_openvinos_model_info_is_no_guess_but_for_the_colours(tmp_path: Path) -> None:
    said = {
        "model_info model_type": "Classification",
        "model_info labels": "cat dog bird",
        "model_info mean_values": "123.675 116.28 103.53",
        "model_info scale_values": "58.395 57.12 57.375",
        "model_info resize_type": "standard",
        "model_info pad_value": "0",
        "model_info reverse_input_channels": "False",
    }
    path = tmp_path / "m.onnx"
    document, guesses = proposed(write_head(path, scores(1, 3), metadata=said))
    assert document == {
        "task": "classify",
        "labels": ["cat", "dog", "bird"],
        "input": {
            "size": [SIDE, SIDE], "resize": "warp", "colour": "RGB", "scale": 1.0,
            "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "pad": 0,
        },
    }  # fmt: skip
    assert set(guesses) == {"input.colour"}
    broken = said | {
        "model_info labels": "cat dog",
        "model_info mean_values": "1 2 x",
        "model_info scale_values": "nan 1 1",
        "model_info resize_type": "?", "model_info pad_value": "-" * 9,
    }  # fmt: skip
    document, guesses = proposed(write_head(path, scores(1, 3), metadata=broken))
    assert document["labels"] == 3
    assert set(guesses) == {"labels", "input.resize", "input.colour", "input.scale"}


def test_a_free_size_is_guessed_by_trying_usual_ones(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    document, guesses = proposed(write_head(path, scores(1, 5), size=("h", "w")))
    assert document["input"]["size"] == [224, 224]
    assert "leaves it free" in guesses["input.size"]
    document, _ = proposed(write_head(path, scores(1, 300, 6), size=("h", "w")))
    assert document["input"]["size"] == [640, 640]  # usual for detectors
    document, _ = proposed(write_head(path, scores(1, 5), size=(48, "w")))
    assert document["input"]["size"] == [48, 224]


def test_a_network_of_grey_frames_is_seen(tmp_path: Path) -> None:
    document, guesses = proposed(
        write_head(tmp_path / "m.onnx", scores(1, 5), channels=1, producer="pytorch")
    )
    assert document["input"]["colour"] == "GRAY"
    assert "input.colour" not in guesses
    assert "mean" not in document["input"]


def test_channels_may_come_last_and_pixels_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    write_head(path, scores(1, 5), shape=(1, 48, 96, 3), element=TensorProto.UINT8, producer="pytorch")
    document, guesses = proposed(path)
    assert document["input"] == {"size": [48, 96], "resize": "crop", "colour": "RGB", "scale": 1.0}
    assert set(guesses) == {"labels", "input.resize", "input.colour"}
    card = tmp_path / "card.json"
    card.write_text(json.dumps(document))
    assert run_here("card", path, "--input", card).code == 0
    assert "NHWC" in run_here("card", path, "--show").out


def test_images_of_other_channels_are_refused(tmp_path: Path) -> None:
    path = write_head(tmp_path / "m.onnx", scores(1, 5), channels=4)
    assert_one_line(run_here("card", path), 3, "takes images of 4 channels")


def test_nothing_is_written_until_the_guesses_were_looked_at(tmp_path: Path) -> None:
    path = write_head(tmp_path / "m.onnx", scores(1, 9, CELLS))
    before, card = path.read_bytes(), tmp_path / "card.json"
    outcome = run_here("card", path)
    assert_one_line(outcome, 2, "--propose -o CARD.json")
    assert "decoder.kind" in outcome.out
    assert path.read_bytes() == before
    assert run_here("card", path, "--propose", "-o", card).code == 0
    assert path.read_bytes() == before
    assert run_here("card", path, "--input", card).code == 0
    assert "yolov8" in run_here("card", path, "--show").out


def test_what_nobody_can_guess_is_asked_for(tmp_path: Path) -> None:
    path = write_head(tmp_path / "m.onnx", scores(1, 50, 4), scores(1, 50, 3))
    card = tmp_path / "card.json"
    assert "not in the file" in run_here("card", path, "--propose", "-o", card).out
    assert_one_line(run_here("card", path, "--input", card), 2, "needs feature_maps")


def test_a_proposal_is_written_as_json_only(tmp_path: Path) -> None:
    path = write_head(tmp_path / "m.onnx", scores(1, 5))
    assert_one_line(run_here("card", path, "--propose", "-o", path), 2, "give -o OUT.json")
    assert_one_line(run_here("card", path, "--propose", "--show"), 2, "not allowed with")
