import json

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.image import Placement
from edge_runtime.postprocess.classify import Classification, Classifier, softmax
from edge_runtime.postprocess.raw import Raw
from edge_runtime.postprocess.select import make_postprocessor

PLACEMENT = Placement(1.0, 1.0, 0, 0)
SPEC = InputSpec(size=(8, 8))
LOGITS = arrays(np.float32, st.integers(2, 40), elements=st.floats(-50, 50, width=32))


def card(count: int) -> ModelCard:
    return ModelCard(SPEC, labels={index: f"name {index}" for index in range(count)})


def classify(classifier: Classifier, *scores: float) -> Classification:
    return classifier([np.asarray([scores], np.float32)], PLACEMENT, (8, 8))


@given(LOGITS)
def test_softmax_gives_probabilities_in_the_order_of_the_logits(logits: np.ndarray) -> None:
    probabilities = softmax(logits)
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert np.all(np.diff(probabilities[np.argsort(logits)]) >= 0)


@given(LOGITS, st.floats(-1000, 1000, width=32))
def test_softmax_does_not_change_when_all_logits_move(logits: np.ndarray, shift: float) -> None:
    assert softmax(logits + np.float32(shift)) == pytest.approx(softmax(logits), abs=1e-3)


def test_softmax_of_huge_logits_is_finite() -> None:
    assert softmax(np.array([3e38, -3e38, 0], np.float32)).tolist() == [1, 0, 0]


@given(arrays(np.float32, st.integers(2, 40), elements=st.floats(-8, 8, width=32)))
def test_probabilities_are_taken_as_they_are(logits: np.ndarray) -> None:
    probabilities = softmax(logits)
    found = classify(Classifier(ModelCard(SPEC), top=50), *probabilities)
    assert sorted(label.score for label in found.labels) == pytest.approx(sorted(probabilities.tolist()))


def test_rounded_probabilities_of_int8_networks_are_still_probabilities() -> None:
    found = classify(Classifier(ModelCard(SPEC)), 1.0005, 0.25, -0.0004)
    assert found.labels[0].score == pytest.approx(1.0005)


def test_logits_get_a_softmax() -> None:
    found = classify(Classifier(ModelCard(SPEC)), 2.0, 0.0, -1.0)
    assert [label.score for label in found.labels] == pytest.approx(
        softmax(np.array([2.0, 0.0, -1.0])).tolist()
    )


def test_once_logits_were_seen_every_frame_gets_a_softmax() -> None:
    classifier = Classifier(ModelCard(SPEC))
    classify(classifier, 2.0, 0.0)
    assert classify(classifier, 0.5, 0.5).labels[0].score == pytest.approx(0.5)
    assert classify(classifier, 0.9, 0.1).labels[0].score == pytest.approx(1 / (1 + np.exp(-0.8)))


def test_a_single_logit_is_a_sigmoid() -> None:
    assert classify(Classifier(ModelCard(SPEC)), -2.0).labels[0].score == pytest.approx(1 / (1 + np.exp(2)))


def test_the_best_five_come_first_with_their_names_and_ties_in_class_order() -> None:
    found = classify(Classifier(card(7)), 0.1, 0.3, 0.05, 0.3, 0.1, 0.1, 0.05)
    assert [(label.index, label.label) for label in found.labels] == [
        (1, "name 1"), (3, "name 3"), (0, "name 0"), (4, "name 4"), (5, "name 5"),
    ]  # fmt: skip


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_frame_with_unusable_outputs_is_marked_and_does_not_decide_about_softmax(bad: float) -> None:
    classifier = Classifier(card(2))
    found = classify(classifier, bad, 0.5)
    assert found.to_document() == {"valid": False, "labels": []}
    assert classify(classifier, 0.25, 0.75).labels[0].score == pytest.approx(0.75)


def test_a_class_number_alone_is_said_to_be_no_score() -> None:
    classifier = Classifier(ModelCard(input=SPEC, labels={index: str(index) for index in range(10)}))
    with pytest.raises(InputError, match="task 'raw'"):
        classifier([np.asarray([3], np.int64)], PLACEMENT, (8, 8))


def test_more_names_than_scores_is_one_line() -> None:
    with pytest.raises(InputError, match="names 5 classes but the network gives 3 scores") as caught:
        classify(Classifier(card(5)), 0.1, 0.2, 0.7)
    assert "\n" not in str(caught.value)


def test_classes_without_a_name_are_numbered() -> None:
    assert classify(Classifier(card(1)), 0.1, 0.9).labels[0].label == "class 1"


def test_raw_outputs_are_summarised_as_json_can_say_them() -> None:
    small, large = np.array([[1.0, 3.0]], np.float32), np.ones((1, 40, 40), np.float32)
    broken = np.array([np.nan], np.float32)
    document = Raw()([small, large, broken], PLACEMENT, (8, 8)).to_document()
    assert document == {
        "valid": False,
        "outputs": [
            {"shape": [1, 2], "min": 1.0, "max": 3.0, "mean": 2.0, "values": [1.0, 3.0]},
            {"shape": [1, 40, 40], "min": 1.0, "max": 1.0, "mean": 1.0},
            {"shape": [1]},
        ],
    }
    json.dumps(document, allow_nan=False)


def test_the_task_of_the_card_chooses_the_postprocessor() -> None:
    assert isinstance(make_postprocessor(ModelCard(SPEC)), Classifier)
    assert isinstance(make_postprocessor(ModelCard(SPEC, task="raw")), Raw)
    detecting = ModelCard(SPEC, task="detect", labels={0: "cat"}, decoder={"kind": "yolov5"})
    detector = make_postprocessor(detecting)
    assert "detections" in detector([np.zeros((1, 100, 6), np.float32)], PLACEMENT, (8, 8)).to_document()


@pytest.mark.parametrize(
    ("labels", "warnings"), [({0: "a", 1: "b"}, 1), ({0: "a", 1: "b", 2: "c"}, 0), ({2: "c"}, 0), (None, 0)]
)
def test_fewer_names_than_scores_are_said_once_unless_some_classes_were_picked(
    caplog: pytest.LogCaptureFixture, labels: dict[int, str] | None, warnings: int
) -> None:
    classifier = Classifier(ModelCard(SPEC, labels=labels))
    for _ in range(2):
        classify(classifier, 0.2, 0.5, 0.3)
    assert len(caplog.records) == warnings
    assert all("names 2 classes but the network gives 3" in record.getMessage() for record in caplog.records)
