"""The model cards of the README and docs/, each put into a network of the shapes it is for, and run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.inference import Model
from edge_runtime.model.card import ModelCard, parse_card, read_card_file
from edge_runtime.postprocess.ssd import read_anchors
from tests.attacks.command_line import run_here
from tests.export.propose.heads import scores, write_head
from tests.newcomer.documents import DOCUMENTS, blocks


def examples() -> list[str]:
    return [text for document in DOCUMENTS for text in blocks(document, "json")]


def example(kind: str) -> str:
    (text,) = [text for text in examples() if f'"kind": "{kind}"' in text]
    return text


def outputs_for(card: ModelCard) -> list[np.ndarray]:
    """Outputs of the shapes that the card is for."""
    classes = len(card.labels or {})
    if card.decoder is None:
        return [scores(1, classes)]
    if card.decoder["kind"] == "yolov8":
        height, width = card.input.size
        return [scores(1, 4 + classes, sum(height // s * (width // s) for s in (8, 16, 32)))]
    anchors = len(read_anchors(card.decoder))
    return [scores(1, anchors, 4), scores(1, anchors, classes)]


def test_a_classifier_a_yolo_and_an_ssd_are_shown() -> None:
    cards = [parse_card(text, "a document") for text in examples()]
    assert [(card.task, (card.decoder or {}).get("kind")) for card in cards] == [
        ("classify", None),  # the README's
        ("classify", None),
        ("detect", "yolov8"),
        ("detect", "ssd"),
    ]


@pytest.mark.parametrize("text", examples(), ids=range(1, len(examples()) + 1))
def test_a_card_goes_into_its_network_and_runs(text: str, tmp_path: Path) -> None:
    card = parse_card(text, "a document")
    path = write_head(tmp_path / "m.onnx", *outputs_for(card), size=card.input.size)
    (tmp_path / "card.json").write_text(text)
    outcome = run_here("card", path, "--input", tmp_path / "card.json")
    assert (outcome.code, outcome.err) == (0, "")
    best = Model.open(path)(np.full((300, 300, 3), 128, np.uint8)).best()
    assert best is not None
    assert best.label in set((card.labels or {}).values())


@pytest.mark.assets
def test_the_ssd_is_that_of_a_real_network(asset_model: Callable[[str], Path]) -> None:
    real = read_card_file(asset_model("facemask_ssd").with_suffix(".json"))
    shown = parse_card(example("ssd"), "a document")
    assert (shown.decoder, shown.labels) == (real.decoder, real.labels)
    assert shown.input == real.input
