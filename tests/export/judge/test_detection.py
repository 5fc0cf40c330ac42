"""Evaluating detectors: the real networks' figures, what does not fit together, and the command line."""

import json
import shutil
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError, ModelRefusedError
from export.calibrate.padding import SquarePadding
from export.cli import main
from export.judge.detection import DetectorEvaluation, right_class_percent
from export.judge.evaluate import evaluate
from tests.export.judge.boxes import BOX, OTHER, box_folder, detections


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
    second = json.loads(document.read_text())["models"][1]
    agreement = second.pop("agreement")
    measures = {figure["measure"] for figure in agreement["figures"]}
    assert measures == {"same boxes and classes", "variance kept"}
    assert "objects in 3 of 3 images" in agreement["notes"][0]
    assert second == {
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


def test_the_class_of_the_best_detection_counts() -> None:
    found = [detections([BOX, OTHER], [0, 1]), detections([BOX], [0]), detections([], [])]
    assert right_class_percent(found, [0, 1, 0]) == pytest.approx(100 / 3)
