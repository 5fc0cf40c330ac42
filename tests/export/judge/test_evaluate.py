"""The one entry to all evaluations: what it chooses, and what it tells on the way."""

import json
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError
from export.calibrate.padding import SquarePadding
from export.judge.classification import ClassifierEvaluation
from export.judge.detection import DetectorEvaluation
from export.judge.evaluate import evaluate
from tests.attacks.command_line import run_here
from tests.attacks.images import good_images
from tests.attacks.networks import write_network

CARD = '{"input": {"size": [16, 16], "scale": 0.01}}'
RAW = '{"input": {"size": [16, 16]}, "task": "raw"}'


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_network(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    good_images(tmp_path / "images", count=4)
    return tmp_path / "images"


def test_networks_of_different_tasks_are_not_compared(model: Path, images: Path) -> None:
    other = model.with_name("other.onnx")
    other.write_bytes(model.read_bytes().replace(CARD.encode(), RAW.encode().ljust(len(CARD))))
    with pytest.raises(InputError, match="different tasks cannot be compared: classify, raw"):
        evaluate([model, other], images)


def test_progress_counts_every_file(model: Path, images: Path) -> None:
    (images / "000.png").write_text("bad")
    told: list[tuple[int, int]] = []
    evaluate([model], images, progress=lambda _, done, of: told.append((done, of)))
    assert told == [(2, 4), (3, 4), (4, 4)]


def test_paths_may_be_texts(model: Path, images: Path) -> None:
    card = model.with_name("card.json")
    card.write_text(CARD)
    by_path, by_text = evaluate([model], images, 1, card), evaluate([str(model)], str(images), 1, str(card))
    assert isinstance(by_path, ClassifierEvaluation)
    assert by_path == by_text


def test_the_command_tells_what_the_function_returns(model: Path, images: Path, tmp_path: Path) -> None:
    options = ["--pad-square", "1.5", "--threads", "1", "--json", tmp_path / "out.json"]
    assert run_here("evaluate", model, model, "--images", images, *options).code == 0
    evaluation = evaluate([model, model], images, 1, padding=SquarePadding(1.5))
    assert json.loads((tmp_path / "out.json").read_text()) == evaluation.to_document()


@pytest.mark.assets
def test_detectors_are_measured_as_such(assets: Path, images: Path) -> None:
    evaluation = evaluate([assets / "models" / "facemask_ssd.onnx"], images)
    assert isinstance(evaluation, DetectorEvaluation)
    assert (evaluation.images, evaluation.scores[0].map) == (4, None)
