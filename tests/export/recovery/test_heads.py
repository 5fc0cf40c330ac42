"""What counts of a detector's outputs."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")

import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from edge_runtime.model.card import InputSpec, ModelCard
from export.recovery.heads import Candidates, head_loss, reader_of

SSD = {
    "kind": "ssd",
    "feature_maps": [[2, 2]],
    "anchor_sizes": [[0.1]],
    "anchor_ratios": [[1]],
    "variances": [0.1, 0.1, 0.2, 0.2],
}


def card(task: str, **decoder: object) -> ModelCard:
    return ModelCard(InputSpec((32, 32)), task, decoder=decoder or None)


def outputs(kind: str, seed: int = 0) -> list[Tensor]:
    """A head's answer to two images: seven candidates, three classes."""
    random = np.random.default_rng(seed)
    boxes = random.uniform(5, 20, (2, 7, 4))
    scores = random.uniform(0, 1, (2, 7, 3))
    arrays = {
        "yolov5": [np.concatenate([boxes, random.uniform(0, 1, (2, 7, 1)), scores], -1)],
        "yolov8": [np.concatenate([boxes, scores], -1).transpose(0, 2, 1)],
        "ssd": [boxes / 10, scores],
    }[kind]
    return [torch.from_numpy(array.astype(np.float32)) for array in arrays]


def loss(kind: str, teacher: list[Tensor], student: list[Tensor]) -> float:
    read = reader_of(card("detect", **(SSD if kind == "ssd" else {"kind": kind})))
    assert read is not None
    return float(head_loss(read(teacher), read(student)))


def changed(kind: str, candidate: int, column: int, by: float) -> list[Tensor]:
    """The answer with one number of the first image changed."""
    result = [output.clone() for output in outputs(kind)]
    if kind == "yolov8":
        result[0][0, column, candidate] += by
    elif kind == "ssd" and column >= 4:
        result[1][0, candidate, column - 4] += by
    else:
        result[0][0, candidate, column] += by
    return result


@pytest.mark.parametrize("kind", ["yolov5", "yolov8", "ssd"])
def test_the_same_answer_costs_nothing_and_any_other_something(kind: str) -> None:
    original = outputs(kind)
    assert loss(kind, original, outputs(kind)) == pytest.approx(0, abs=1e-6)
    columns = 8 if kind == "yolov5" else 7
    for column in range(columns):
        by = 1.0 if column < 4 else 0.05
        assert loss(kind, original, changed(kind, 3, column, by)) > 1e-5, column


@pytest.mark.parametrize("kind", ["yolov5", "yolov8", "ssd"])
def test_boxes_count_as_far_as_the_teacher_sees_something(kind: str) -> None:
    original = outputs(kind)
    read = reader_of(card("detect", **(SSD if kind == "ssd" else {"kind": kind})))
    assert read is not None
    seen = read(original).seen[0]
    surest, least = int(seen.argmax()), int(seen.argmin())
    losses = []
    for candidate in (surest, least):
        moved = changed(kind, candidate, 0, 0.5)
        losses.append(loss(kind, original, moved) / float(_own(read(original), read(moved), candidate)))
    assert losses[0] / losses[1] == pytest.approx(float(seen[surest] / seen[least]), rel=1e-3)


def _own(teacher: Candidates, student: Candidates, candidate: int) -> Tensor:
    apart = ((student.boxes - teacher.boxes) / teacher.scale).square().sum(-1)[0, candidate]
    return apart / (1 + apart)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.integers(0, 1000), st.sampled_from(["yolov5", "yolov8", "ssd"]))
def test_the_loss_is_never_negative_nor_infinite(one: int, other: int, kind: str) -> None:
    assert 0 <= loss(kind, outputs(kind, one), outputs(kind, other)) < float("inf")


def test_an_ssd_is_measured_by_its_boxes() -> None:
    """An offset of 0.5 with a variance of 0.1 moves a box by a twentieth of its anchor."""
    original = outputs("ssd")
    seen = original[1].amax(-1)
    expected = float(seen[0, 3] * 0.05**2 / (1 + 0.05**2) / seen.sum())
    assert loss("ssd", original, changed("ssd", 3, 0, 0.5)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("other", [card("classify"), card("detect", kind="yolo_nms"), card("raw")])
def test_other_outputs_have_no_reader(other: ModelCard) -> None:
    assert reader_of(other) is None
