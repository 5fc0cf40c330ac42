"""Cards from Ultralytics' metadata: each version's form, what has no decoder, and hostile metadata."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge_runtime.frames.image_file import read_image
from edge_runtime.inference import Model
from edge_runtime.model.card import ModelCard, parse_card
from edge_runtime.model.labels import NAMED_LABELS
from tests.attacks.command_line import assert_one_line, run_here
from tests.export.propose.heads import CELLS, SIDE, Values, scores, write_head

NAMES = {0: "cat", 1: "traffic light", 2: "it's"}
SUPPRESSED = np.array([[[5, 6, 30, 40, 0.9, 2]] + [[0] * 6] * 299], np.float32)


def package(task: str = "detect", **changes: object) -> dict[str, str]:
    """What the package writes."""
    said = {
        "description": f"Ultralytics YOLO11n model trained on coco.yaml ({task})",
        "author": "Ultralytics",
        "version": "8.3.40",
        "stride": 32,
        "task": task,
        "batch": 1,
        "imgsz": [SIDE, SIDE],
        "names": NAMES,
        "args": {"batch": 1, "half": False, "nms": False},
        "channels": 3,
        **changes,
    }
    return {key: str(value) for key, value in said.items()}


def repository(names: object = NAMES) -> dict[str, str]:
    """What the YOLOv5 repository writes."""
    return {"stride": "32", "names": str(names)}


def written(path: Path) -> ModelCard:
    """The card that ``pi-export card`` writes without being given one."""
    outcome = run_here("card", path)
    assert (outcome.code, outcome.err) == (0, "")
    model = Model.open(path)
    assert model.card.golden is not None
    return model.card


@pytest.mark.parametrize(
    ("metadata", "output", "kind"),
    [
        (repository(), scores(1, 3 * CELLS, 8), "yolov5"),
        (repository(list(NAMES.values())), scores(1, 3 * CELLS, 8), "yolov5"),
        (repository({0: "cat"}), scores(1, 3 * CELLS, 6), "yolov5"),  # six columns without suppression
        (package(), scores(1, 7, CELLS), "yolov8"),  # v5u, v8, 9, 11, 12; 26 with end2end=False
        (package(args={"nms": True}), SUPPRESSED, "yolo_nms"),
        (package(version="8.1.34", description="Ultralytics YOLOv10n model"), SUPPRESSED, "yolo_nms"),
        (package(version="8.4.0", head="Detect", end2end=True), SUPPRESSED, "yolo_nms"),  # 26
        (package(names={0: "person", 2: "dog"}), scores(1, 7, CELLS), "yolov8"),
    ],
)
def test_a_detector_gets_a_complete_card(
    metadata: dict[str, str], output: Values, kind: str, tmp_path: Path
) -> None:
    card = written(write_head(tmp_path / "m.onnx", output, metadata=metadata))
    assert (card.task, card.decoder) == ("detect", {"kind": kind})
    spec = card.input
    assert (spec.size, spec.resize, spec.pad, spec.interpolation) == (
        (SIDE, SIDE),
        "letterbox",
        114,
        "bilinear",
    )
    assert (spec.colour, spec.mean, spec.std) == ("RGB", (0, 0, 0), (1, 1, 1))
    assert spec.scale == pytest.approx(1 / 255)
    names = eval(metadata["names"])  # noqa: S307  written above
    assert card.labels == (dict(enumerate(names)) if isinstance(names, list) else names)


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PLAIN = ((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    ("metadata", "size", "expected"),
    [
        (package("classify"), (SIDE, SIDE), ("crop", "auto", PLAIN)),
        (package("classify", version="8.0.232"), (SIDE, SIDE), ("crop", "bilinear", PLAIN)),
        (package("classify", version="8.0.233"), (SIDE, SIDE), ("crop", "auto", PLAIN)),
        (package("classify", version="?"), (SIDE, SIDE), ("crop", "auto", PLAIN)),
        (package("classify", imgsz=[SIDE, 96]), (SIDE, 96), ("warp", "auto", PLAIN)),
        (repository(), (SIDE, SIDE), ("crop", "bilinear", IMAGENET)),
    ],
)
def test_a_classifier_gets_a_complete_card(
    metadata: dict[str, str], size: tuple[int, int], expected: tuple[object, ...], tmp_path: Path
) -> None:
    card = written(write_head(tmp_path / "m.onnx", scores(1, 3), metadata=metadata, size=size))
    assert (card.task, card.labels, card.decoder) == ("classify", NAMES, None)
    spec = card.input
    assert (spec.size, spec.colour, spec.scale) == (size, "RGB", pytest.approx(1 / 255))
    assert (spec.resize, spec.interpolation, (spec.mean, spec.std)) == expected


@pytest.mark.parametrize(
    ("metadata", "outputs", "says"),
    [
        (
            package("segment"),
            [scores(1, 39, CELLS), scores(1, 32, 16, 16)],
            "segmentation heads have no decoder",
        ),
        (package("pose"), [scores(1, 58, CELLS)], "pose heads have no decoder yet"),
        (package("obb"), [scores(1, 8, CELLS)], "oriented-box heads have no decoder yet"),
        (package("depth\x1b[31m"), [scores(1, 8, 8)], "depth [31m heads have no decoder yet"),
        (
            repository(),
            [scores(1, 3 * CELLS, 40), scores(1, 32, 16, 16)],
            "segmentation heads have no decoder",
        ),
        (package(head="RTDETRDecoder"), [scores(1, 300, 6)], "RT-DETR heads have no decoder yet"),
        (package(description="Ultralytics rtdetr-l model"), [scores(1, 300, 7)], "RT-DETR heads"),
        (package(), [scores(1, 300, 7)], "no head for 3 classes that has a decoder"),
        (repository(), [scores(1, 3, 8, 8, 8)], "no head for 3 classes that has a decoder"),
    ],
)
def test_a_head_without_a_decoder_is_said_and_a_card_of_its_raw_outputs_proposed(
    metadata: dict[str, str], outputs: list[Values], says: str, tmp_path: Path
) -> None:
    path = write_head(tmp_path / "m.onnx", *outputs, metadata=metadata)
    before = path.read_bytes()
    assert_one_line(run_here("card", path), 3, says)
    assert path.read_bytes() == before
    card = tmp_path / "card.json"
    assert run_here("card", path, "--propose", "-o", card).code == 0
    assert parse_card(card.read_text(), "card").task == "raw"
    assert run_here("card", path, "--input", card).code == 0


def test_its_imgsz_is_the_size_where_the_network_leaves_it_free(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    metadata = package(imgsz=(32, 96))
    assert written(write_head(path, scores(1, 7, CELLS), metadata=metadata, size=("h", "w"))).input.size == (
        32,
        96,
    )
    # What the network fixes goes before what is said of it.
    assert written(write_head(path, scores(1, 7, CELLS), metadata=metadata, size=(64, "w"))).input.size == (
        64,
        96,
    )
    assert written(write_head(path, scores(1, 7, CELLS), metadata=metadata)).input.size == (SIDE, SIDE)


def test_a_size_that_nothing_tells_is_a_guess_and_nothing_is_written(tmp_path: Path) -> None:
    path = write_head(tmp_path / "m.onnx", scores(1, 252, 8), metadata=repository(), size=("h", "w"))
    before = path.read_bytes()
    outcome = run_here("card", path)
    assert_one_line(outcome, 2, "the likeliest one holds guesses")
    assert "[640, 640]" in outcome.out
    assert path.read_bytes() == before


def test_a_network_of_several_images_at_once_becomes_one_of_a_single_image(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_head(
        tmp_path / "m.onnx", scores(1, 7, CELLS), metadata=package(batch=4), shape=(4, 3, 64, 64)
    )
    written(path)
    (warning,) = caplog.records  # once, though it is looked at and written
    assert "takes batches of 4 images" in warning.getMessage()
    Model.open(path).try_out()


def test_a_network_of_one_channel_takes_grey_frames(tmp_path: Path) -> None:
    path = write_head(tmp_path / "m.onnx", scores(1, 7, CELLS), metadata=package(channels=1), channels=1)
    assert written(path).input.colour == "GRAY"


@pytest.mark.parametrize(
    "names",
    [
        "", "None", "7", "[]", "{}", "'cat'", "{0: 'cat'", "{'a': 'cat'}", "{-1: 'cat'}", "{True: 'cat'}",
        "{0: ['cat']}", "{0: None}", "{9999999: 'cat'}", "__import__('os').abort()", "{[]: 1}",
        "[" * 50_000, "-" * 50_000 + "1", "9" * 50_000, "{0: 'cat'}" + " " * (5 << 20), "\0",
    ],
)  # fmt: skip
def test_names_that_are_none_are_one_line(names: str, tmp_path: Path) -> None:
    path = write_head(tmp_path / "m.onnx", scores(1, 7, CELLS), metadata=package(names=names))
    assert_one_line(run_here("card", path), 2, "the names in its metadata are no names of classes")


@pytest.mark.parametrize("imgsz", ["", "[0, 0]", "[64]", "64.0", "['a', 'b']", "[9000, 9000]", "1 << 9"])
def test_an_imgsz_that_is_none_is_not_believed(imgsz: str, tmp_path: Path) -> None:
    metadata = package(imgsz=imgsz)
    path = write_head(tmp_path / "m.onnx", scores(1, 7, CELLS), metadata=metadata, size=("h", "w"))
    assert_one_line(run_here("card", path), 2, "guesses")


def test_names_do_not_drive_the_terminal(tmp_path: Path) -> None:
    metadata = package(names={0: "a\x1b[31m", 1: "b\nc", 2: "d"})
    card = written(write_head(tmp_path / "m.onnx", scores(1, 7, CELLS), metadata=metadata))
    assert card.labels == {0: "a [31m", 1: "b c", 2: "d"}


def test_a_card_of_its_own_goes_before_the_metadata(tmp_path: Path) -> None:
    path = write_head(tmp_path / "m.onnx", scores(1, 7, CELLS), metadata=package())
    path.with_suffix(".json").write_text(json.dumps({"input": {"size": [SIDE, SIDE]}, "task": "raw"}))
    assert written(path).task == "raw"


@pytest.mark.assets
def test_the_card_of_a_real_network_finds_the_bear(assets: Path, asset_model: Callable[[str], Path]) -> None:
    path = asset_model("yolov5n_coco")
    path.with_suffix(".json").unlink()
    model = onnx.load(path)
    onnx.helper.set_model_props(model, repository(dict(enumerate(NAMED_LABELS["COCO-80"]))))
    onnx.save(model, path)
    written(path)
    image: Any = read_image(assets / "images" / "coco-val128" / "images" / "000000000285.jpg")
    best = Model.open(path)(image).best()
    assert best is not None
    assert (best.label, best.score) == ("bear", pytest.approx(0.83, abs=0.03))
