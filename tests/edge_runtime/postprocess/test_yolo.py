"""YOLO heads: made-up outputs whose detections are known, hostile ones, and the real network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.frames.image_file import read_image
from edge_runtime.model.card import InputSpec, ModelCard, parse_card
from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.model.image import Placement
from edge_runtime.model.preprocess import Preprocessor
from edge_runtime.postprocess.boxes import Floats
from edge_runtime.postprocess.detections import Detector, make_detector
from edge_runtime.postprocess.select import make_postprocessor
from edge_runtime.postprocess.wanted import Wanted

LABELS = {0: "cat", 1: "dog", 2: "bird"}
AS_IS = Placement(1.0, 1.0, 0, 0)
FRAME = (100, 200)
# cx, cy, w, h, score of each class: two proposals of one cat, a dog in the same place, a weak bird.
PROPOSALS = np.array(
    [
        [50, 40, 20, 10, 0.9, 0.0, 0.1],
        [51, 40, 20, 10, 0.8, 0.0, 0.1],
        [50, 41, 20, 10, 0.0, 0.7, 0.1],
        [150, 80, 20, 10, 0.1, 0.0, 0.2],
        *[[0, 0, 0, 0, 0.0, 0.0, 0.0]] * 6,
    ],
    np.float32,
)
EXPECTED = {
    "valid": True,
    "detections": [
        {"label": "cat", "class": 0, "score": 0.9, "box": [40.0, 35.0, 60.0, 45.0]},
        {"label": "dog", "class": 1, "score": 0.7, "box": [40.0, 36.0, 60.0, 46.0]},
    ],
}


def yolov5_output(proposals: Floats = PROPOSALS) -> Floats:
    objectness = np.full((len(proposals), 1), 1.0, np.float32)
    return np.concatenate([proposals[:, :4], objectness, proposals[:, 4:]], axis=1)[None]


def yolov8_output(proposals: Floats = PROPOSALS) -> Floats:
    return np.ascontiguousarray(proposals.T)[None]


def yolo_nms_output(proposals: Floats = PROPOSALS[[0, 2]]) -> Floats:
    centre, half = proposals[:, :2], proposals[:, 2:4] / 2
    scores, classes = proposals[:, 4:].max(axis=1), proposals[:, 4:].argmax(axis=1)
    rows = np.column_stack([centre - half, centre + half, scores, classes])
    return np.concatenate([rows, np.zeros((5, 6))]).astype(np.float32)[None]


OUTPUTS = {"yolov5": yolov5_output, "yolov8": yolov8_output, "yolo_nms": yolo_nms_output}


def detector(kind: str, labels: dict[int, str] | None = LABELS, **decoder: Any) -> Detector:
    return make_detector(ModelCard(InputSpec(FRAME), "detect", labels, {"kind": kind, **decoder}))


@pytest.mark.parametrize("kind", OUTPUTS)
def test_each_head_finds_the_same(kind: str) -> None:
    assert detector(kind)([OUTPUTS[kind]()], AS_IS, FRAME).to_document() == EXPECTED


@pytest.mark.parametrize("kind", OUTPUTS)
def test_half_precision_outputs_are_read_alike(kind: str) -> None:
    found = detector(kind)([OUTPUTS[kind]().astype(np.float16)], AS_IS, FRAME)
    assert found.labels == ("cat", "dog")
    assert found.boxes.dtype == np.float32


def test_objectness_multiplies_the_class_scores() -> None:
    output = yolov5_output()
    output[0, :4, 4] = [0.5, 0.2, 0.2, 1]
    found = detector("yolov5")([output], AS_IS, FRAME)
    assert found.scores.tolist() == pytest.approx([0.45])


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_cards_thresholds_are_used(kind: str) -> None:
    output = [OUTPUTS[kind]()]
    assert detector(kind, score_threshold=0.75)(output, AS_IS, FRAME).labels == ("cat",)
    assert detector(kind, max_detections=1)(output, AS_IS, FRAME).labels == ("cat",)
    assert len(detector(kind, score_threshold=0.95)(output, AS_IS, FRAME)) == 0


def test_a_high_overlap_threshold_keeps_both_proposals() -> None:
    found = detector("yolov8", iou_threshold=0.99)([yolov8_output()], AS_IS, FRAME)
    assert found.labels == ("cat", "cat", "dog")


def test_boxes_are_mapped_back_and_those_in_the_bars_dropped() -> None:
    in_a_bar = np.array([[100, 5, 20, 8, 0.99, 0, 0]], np.float32)
    output = [yolov8_output(np.concatenate([in_a_bar, PROPOSALS]))]
    found = detector("yolov8", max_detections=1)(output, Placement(0.5, 0.5, 10, 20), (160, 320))
    assert found.boxes.tolist() == [[60, 30, 100, 50]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", OUTPUTS)
def test_outputs_that_are_not_numbers_mark_the_frame(kind: str, value: float) -> None:
    output = OUTPUTS[kind]()
    output[0, -1, -1] = value
    found = detector(kind)([output], AS_IS, FRAME)
    assert found.to_document() == {"valid": False, "detections": []}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_absurd_boxes_do_no_harm(kind: str) -> None:
    output = OUTPUTS[kind](PROPOSALS * np.array([1e36, -1e36, 1e36, 1e36, 1, 1, 1], np.float32))
    for box in detector(kind)([output], AS_IS, FRAME).boxes:
        assert np.all(box >= 0)
        assert np.all(box <= [200, 100, 200, 100])


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("yolov5", (2, 100, 8)),  # a batch of two
        ("yolov5", (100, 8)),
        ("yolov5", (1, 7, 100)),  # yolov8's layout
        ("yolov8", (1, 100, 8)),  # yolov5's layout
        ("yolov8", (1, 7)),
        ("yolo_nms", (1, 100, 7)),
        ("yolo_nms", (6,)),
    ],
)
def test_outputs_of_another_shape_are_refused(kind: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelRefusedError, match=rf"{kind}.*pi-export card") as caught:
        detector(kind)([np.zeros(shape, np.float32)], AS_IS, FRAME)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "shape", "like"),
    [
        ("yolov5", (1, 7, 100), "yolov8"),
        ("yolov8", (1, 100, 8), "yolov5"),
        ("yolov8", (1, 300, 6), "yolo_nms"),
    ],
)
def test_the_decoder_that_fits_the_shapes_is_named(kind: str, shape: tuple[int, ...], like: str) -> None:
    with pytest.raises(ModelRefusedError, match=f"but look like those of {like}: correct the card"):
        detector(kind)([np.zeros(shape, np.float32)], AS_IS, FRAME)


@pytest.mark.parametrize(("kind", "shape"), [("yolov5", (1, 100, 7)), ("yolov8", (1, 6, 100))])
def test_more_names_than_classes_are_refused(kind: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="names 3 classes but the network gives 2 scores"):
        detector(kind)([np.zeros(shape, np.float32)], AS_IS, FRAME)


@pytest.mark.parametrize("kind", ["yolov5", "yolov8"])
def test_fewer_names_than_classes_are_said_once(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    found = detector(kind, {0: "cat"})
    for _ in range(2):
        assert found([OUTPUTS[kind]()], AS_IS, FRAME).labels == ("cat", "class 1")
    assert [record.getMessage() for record in caplog.records] == [
        "the model card names 1 classes but the network gives 3 scores: is each name in its place?"
    ]
    caplog.clear()
    assert detector(kind, {2: "bird"})([OUTPUTS[kind]()], AS_IS, FRAME).labels == ("class 0", "class 1")
    assert not caplog.records  # who names a class in the middle has chosen it


def pose_rows(columns: int = 56) -> Floats:
    """Boxes, the score of a person, and key points in pixels, as a YOLOv8 pose network gives."""
    rows = np.random.default_rng(0).uniform(0, 320, (100, columns)).astype(np.float32)
    rows[:, 4] = 0.8
    return rows


@pytest.mark.parametrize("labels", [None, {0: "person"}])
def test_a_head_of_key_points_or_masks_is_refused(labels: dict[int, str] | None) -> None:
    for kind, output in {
        "yolov8": yolov8_output(pose_rows()),
        "yolov5": pose_rows()[None],
        "yolo_nms": pose_rows(6)[None] * np.array([1, 1, 1, 1, 300, 0], np.float32),
    }.items():
        with pytest.raises(ModelRefusedError, match="have no decoder yet") as caught:
            detector(kind, labels)([output], AS_IS, FRAME)
        assert "\n" not in str(caught.value)


def test_angles_below_zero_are_refused_where_no_score_is_above_one() -> None:
    output = yolov8_output()
    output[0, 6] = np.linspace(-0.7, 0.9, output.shape[2])
    with pytest.raises(ModelRefusedError, match=r"from -0.7 to 0.9.*oriented boxes"):
        detector("yolov8")([output], AS_IS, FRAME)


def test_rounded_scores_of_int8_networks_are_still_scores() -> None:
    output = yolov8_output()
    output[0, 4, 0], output[0, 5, 1] = 1.004, -0.004
    assert detector("yolov8")([output], AS_IS, FRAME).scores[0] == pytest.approx(1.004)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_only_the_classes_and_scores_asked_for_are_given(kind: str) -> None:
    card = ModelCard(InputSpec(FRAME), "detect", LABELS, {"kind": kind, "max_detections": 1})

    def labels(score: float | None = None, classes: set[int] | None = None) -> tuple[str, ...]:
        chosen = Wanted(score, None if classes is None else frozenset(classes))
        return make_detector(card, wanted=chosen)([OUTPUTS[kind]()], AS_IS, FRAME).labels

    assert labels() == ("cat",)
    assert labels(classes={1}) == ("dog",)  # chosen before the best are: the cat takes no place from it
    assert labels(classes={2}) == ()
    assert labels(score=0.8, classes={0, 1}) == ("cat",)
    assert labels(score=0.95) == ()


def test_a_lower_score_than_the_cards_may_be_asked_for() -> None:
    card = ModelCard(InputSpec(FRAME), "detect", LABELS, {"kind": "yolov8", "score_threshold": 0.5})
    found = make_detector(card, wanted=Wanted(score=0.15))([yolov8_output()], AS_IS, FRAME)
    assert found.labels == ("cat", "dog", "bird")


def test_a_class_the_card_does_not_name_is_refused() -> None:
    output = yolo_nms_output()
    output[0, 0, 5] = 3  # the card names 0 to 2
    with pytest.raises(ModelRefusedError, match="classes below 3"):
        detector("yolo_nms")([output], AS_IS, FRAME)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_without_labels_classes_have_numbers(kind: str) -> None:
    found = detector(kind, labels=None)([OUTPUTS[kind]()], AS_IS, FRAME)
    assert found.labels == ("class 0", "class 1")


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (None, "decoder.kind is missing; detection needs one of ssd"),
        ({"kind": "yolov4"}, "'yolov4'; detection needs one of ssd, yolov5, yolov8, yolo_nms; did you mean"),
        ({}, "decoder.kind is None"),
        ({"kind": ["yolov5"]}, "decoder.kind"),
        ({"kind": "yolov8", "iou_treshold": 0.5}, "decoder.iou_treshold; did you mean 'iou_threshold'?"),
        ({"kind": "yolov8", "iou_threshold": "much"}, "not a number"),
        ({"kind": "yolov8", "score_threshold": 25}, "between 0 and 1"),
        ({"kind": "yolov8", "score_threshold": float("nan")}, "between 0 and 1"),
        ({"kind": "yolov8", "max_detections": 0}, "at least 1"),
    ],
)
def test_a_wrong_decoder_is_named(decoder: dict[str, Any] | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_detector(ModelCard(InputSpec(FRAME), "detect", LABELS, decoder))
    assert message in str(caught.value)


def test_coco_labels_are_known_by_name() -> None:
    card = parse_card('{"input": {"size": [320, 320]}, "labels": "COCO-80"}', "card")
    assert card.labels is not None
    assert len(card.labels) == 80
    assert (card.label(0), card.label(39), card.label(79)) == ("person", "bottle", "toothbrush")


@pytest.mark.assets
def test_the_real_network_finds_the_bear(assets: Path) -> None:
    network = open_network(assets / "models" / "yolov5n_coco.onnx")
    card = network.card()
    image = read_image(assets / "images" / "coco-val128" / "images" / "000000000285.jpg")
    preprocessor = Preprocessor(card.input)
    outputs = network.run(preprocessor(image))
    found = make_postprocessor(card)(outputs, preprocessor.placement(image), image.shape[:2]).to_document()
    (bear,) = found["detections"]
    assert bear["label"] == "bear"
    assert bear["score"] == pytest.approx(0.835, abs=0.002)
    assert bear["box"] == pytest.approx([3.0, 59.7, 577.3, 640.0], abs=0.5)
