"""Evaluating detectors: labels read strictly, the real networks' figures, agreement, and the command line."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.postprocess.detections import Detections
from export.calibrate.padding import SquarePadding, parse_padding
from export.cli import main
from export.judge.agreement import same_detections_percent
from export.judge.box_labels import find_box_folder, read_boxes
from export.judge.detection import DetectorEvaluation, right_class_percent
from export.judge.evaluate import evaluate


def detections(boxes: list[list[float]], classes: list[int]) -> Detections:
    scores = np.linspace(0.9, 0.5, len(classes), dtype=np.float32)
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(corners, scores, np.array(classes, np.intp), ("",) * len(classes))


BOX, SAME, OTHER = [0.0, 0, 10, 10], [0.0, 0, 10, 9], [50.0, 50, 60, 60]


def box_folder(root: Path, labels: str) -> Path:
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    cv2.imwrite(str(root / "images" / "a.png"), np.full((40, 80, 3), 127, np.uint8))
    (root / "labels" / "a.txt").write_text(labels)
    return root


@pytest.mark.assets
def test_yolov5n_reaches_its_baseline(assets: Path) -> None:
    """Its card claims 0.422 and 0.298, measured elsewhere; pycocotools gives these same figures."""
    model = assets / "models" / "yolov5n_coco.onnx"
    result = evaluate([model], assets / "images" / "coco-val128")
    assert isinstance(result, DetectorEvaluation)
    (score,) = result.scores
    assert (result.images, result.skipped) == (128, ())
    assert score.map50 == pytest.approx(0.467, abs=0.003)
    assert score.map == pytest.approx(0.310, abs=0.003)
    assert (score.right_class_percent, score.agreement_percent) == (None, 100.0)


@pytest.mark.assets
def test_facemask_names_the_right_class(assets: Path) -> None:
    """399 of the 400 test images (99.85 % of the 1,376 the card was measured on)."""
    model = assets / "models" / "facemask_ssd.onnx"
    result = evaluate([model], assets / "images" / "facemask" / "test", padding=SquarePadding(1.4))
    assert isinstance(result, DetectorEvaluation)
    (score,) = result.scores
    assert (result.images, score.right_class_percent, score.map) == (400, 99.75, None)


@pytest.mark.assets
def test_the_command_compares_detectors_without_labels(
    assets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((assets / "images" / "coco-val128" / "images").iterdir())[:3]:
        shutil.copy(path, tmp_path)
    models = [str(assets / "models" / name) for name in ("yolov5n_coco.onnx", "yolov5n_coco.onnx")]
    document = tmp_path / "result.json"
    assert main(["evaluate", *models, "--images", str(tmp_path), "--json", str(document)]) == 0
    assert "Agreement" in capsys.readouterr().out
    assert json.loads(document.read_text())["models"][1] == {
        "model": models[1],
        "map50": None,
        "map": None,
        "right_class_percent": None,
        "agreement_percent": 100.0,
    }


@pytest.mark.assets
def test_padding_does_not_go_with_true_boxes(assets: Path, tmp_path: Path) -> None:
    folder = box_folder(tmp_path / "set", "0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(InputError, match="--pad-square does not go with"):
        evaluate([assets / "models" / "yolov5n_coco.onnx"], folder, padding=SquarePadding(1.4))


@pytest.mark.assets
def test_a_true_class_the_network_does_not_have_is_named(assets: Path, tmp_path: Path) -> None:
    folder = box_folder(tmp_path / "set", "80 0.5 0.5 0.1 0.1\n")
    with pytest.raises(InputError, match=r"a\.png name class 80.*ends at 79"):
        evaluate([assets / "models" / "yolov5n_coco.onnx"], folder)


@pytest.mark.assets
def test_a_card_for_another_head_is_refused(assets: Path, tmp_path: Path) -> None:
    folder = box_folder(tmp_path / "set", "0 0.5 0.5 0.1 0.1\n")
    card = json.loads((assets / "models" / "yolov5n_coco.json").read_text())
    card["decoder"] = {"kind": "yolo_nms"}
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelRefusedError, match=r"\(1, 6300, 85\) are not those of its card's decoder"):
        evaluate([assets / "models" / "yolov5n_coco.onnx"], folder, card=tmp_path / "card.json")


def test_labels_become_pixels(tmp_path: Path) -> None:
    folder = find_box_folder(box_folder(tmp_path / "set", "7 0.5 0.5 0.5 0.25\n\n3 0.25 0.5 0.5 1\n"))
    assert folder is not None
    truth = folder.truth(folder.images.files[0].path, (40, 80))
    assert truth.boxes.tolist() == [[20, 15, 60, 25], [0, 0, 40, 40]]
    assert truth.classes.tolist() == [7, 3]


def test_an_image_without_a_label_file_shows_nothing(tmp_path: Path) -> None:
    root = box_folder(tmp_path / "set", "0 0.5 0.5 0.1 0.1\n")
    shutil.copy(root / "images" / "a.png", root / "images" / "b.png")
    folder = find_box_folder(root)
    assert folder is not None
    assert len(folder.truth(root / "images" / "b.png", (40, 80)).classes) == 0


def test_labels_of_no_image_are_an_error(tmp_path: Path) -> None:
    root = box_folder(tmp_path / "set", "")
    (root / "labels" / "a.txt").rename(root / "labels" / "other.txt")
    with pytest.raises(InputError, match=r"no image .* has labels; expected for example .*a\.txt"):
        find_box_folder(root)


def test_other_folders_have_no_true_boxes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert find_box_folder(tmp_path) is None


@pytest.mark.parametrize(
    "line",
    [
        "0 0.5 0.5 0.1",
        "0 0.5 0.5 0.1 0.1 0.9",
        "cat 0.5 0.5 0.1 0.1",
        "-1 0.5 0.5 0.1 0.1",
        "1.5 0.5 0.5 0.1 0.1",
        "0 nan 0.5 0.1 0.1",
        "inf 0.5 0.5 0.1 0.1",
        "1e400 0.5 0.5 0.1 0.1",
        "0 320 240 50 50",
        "0 0.5 0.5 -0.1 0.1",
    ],
)
def test_a_malformed_label_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(InputError, match=r"a\.txt, line 2: ") as caught:
        read_boxes(path, (40, 80))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe0 1", None])
def test_unreadable_labels_are_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.txt"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot read the labels .*a\.txt"):
        read_boxes(path, (40, 80))


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


def test_the_class_of_the_best_detection_counts() -> None:
    found = [detections([BOX, OTHER], [0, 1]), detections([BOX], [0]), detections([], [])]
    assert right_class_percent(found, [0, 1, 0]) == pytest.approx(100 / 3)


def test_the_image_lies_in_the_middle_of_the_grey_square() -> None:
    padded = parse_padding("1.5:99")(np.zeros((10, 20, 3), np.uint8))
    assert padded.shape == (30, 30, 3)
    assert np.all(padded[10:20, 5:25] == 0)
    padded[10:20, 5:25] = 99
    assert np.all(padded == 99)


def test_the_grey_is_127_unless_said() -> None:
    assert parse_padding("1.4") == SquarePadding(1.4, 127)


@pytest.mark.parametrize("text", ["", "wide", "0.9", "nan", "1e9", "1.4:", "1.4:256", "1.4:-1", "1.4:x"])
def test_a_wrong_padding_is_bad_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "m.onnx", "--images", ".", "--pad-square", text])
    assert caught.value.code == 2
    assert "is not a padding such as 1.4:127" in capsys.readouterr().err
