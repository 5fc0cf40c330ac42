"""Agreement of two networks' outputs: counted by hand, never vacuous, and no surer than the images allow."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import InputSpec, ModelCard
from export.judge.agreement import Agreement
from export.judge.comparison import DetectorComparison, OutputComparison, Seen
from export.judge.figure import cases_needed, wilson_percent
from tests.export.judge.boxes import BOX, OTHER, SAME, detections

Array = NDArray[np.float32]
SPEC = InputSpec((8, 8))


def card(task: str = "classify", labels: int = 0) -> ModelCard:
    return ModelCard(SPEC, task=task, labels={index: str(index) for index in range(labels)} or None)


def compare(
    original: Sequence[Sequence[Array]], changed: Sequence[Sequence[Array]], own: ModelCard | None = None
) -> Agreement:
    """Outputs of each image of both networks."""
    comparison = OutputComparison(own or card(), [f"out{index}" for index in range(len(original[0]))])
    for one, other in zip(original, changed, strict=True):
        comparison.add(one, other)
    return comparison.agreement()


def logits(classes: Sequence[int], count: int = 4) -> list[list[Array]]:
    """Scores whose highest is that of each class."""
    return [[(3 * np.eye(count, dtype=np.float32)[index] - 1)[None]] for index in classes]


def sigmoids(rows: Sequence[Sequence[float]]) -> list[list[Array]]:
    return [[np.array([row], np.float32)] for row in rows]


def test_classes_are_counted_by_images() -> None:
    found = compare(logits([0, 1, 2, 3] * 5), logits([0, 1, 2, 0] * 5))
    assert found.percent == 75.0
    assert found.worst.words() == "same class in 15 of 20 images, output 'out0'"
    assert found.notes == ()
    assert found.worst.low_percent < 75.0 < found.worst.high_percent


def test_where_the_original_always_says_the_same_its_scores_count() -> None:
    random = np.random.default_rng(0)
    original = [[np.array([[5 + random.normal(), 0.0, random.normal()]], np.float32)] for _ in range(40)]
    constant = [[np.array([[5.0, 0.0, 0.0]], np.float32)]] * 40
    found = compare(original, constant)
    assert found.figures[0].percent == 100.0
    assert found.percent < 10.0
    assert "decides the same in 40 of 40 images" in found.notes[0]
    assert compare(original, original).percent == 100.0


def test_the_number_of_the_best_class_beside_the_scores() -> None:
    """The first output is whole numbers: it is compared, and so are the scores."""
    classes = [0, 1, 2, 3] * 5
    scores = [row[0] for row in logits(classes)]
    original = [[np.array([best]), row] for best, row in zip(classes, scores, strict=True)]
    wrong = [[np.array([best]), scores[0]] for best in classes]
    found = compare(original, wrong, card(labels=4))
    assert [figure.measure for figure in found.figures] == ["same numbers", "same class"]
    assert found.percent == 25.0
    assert found.worst.output == "out1"


def test_yes_and_no() -> None:
    yes, no = [0.9], [0.2]
    original = sigmoids([yes, no] * 20)
    found = compare(original, sigmoids([yes, no] * 15 + [yes, yes] * 5))
    assert found.percent == pytest.approx(87.5)
    assert found.worst.measure == "same decision"
    assert found.notes == ()
    as_logits = [[np.log(row[0] / (1 - row[0]))] for row in original]
    assert compare(as_logits, [[-row[0]] for row in as_logits]).percent == 0.0


def test_yes_and_no_where_all_say_no() -> None:
    random = np.random.default_rng(0)
    original = sigmoids([[value] for value in random.uniform(0.0, 0.4, 60)])
    found = compare(original, sigmoids([[0.2]] * 60))
    assert found.figures[0].percent == 100.0
    assert found.percent < 20.0


def test_every_tag_counts() -> None:
    original = sigmoids([[0.9, 0.1, 0.8], [0.1, 0.9, 0.1]] * 10)
    other = sigmoids([[0.9, 0.1, 0.4], [0.1, 0.9, 0.1]] * 10)
    found = compare(original, other)
    assert found.percent == 50.0
    assert found.worst.measure == "all decisions the same"


def test_probabilities_are_no_tags() -> None:
    original = sigmoids([[0.4, 0.3, 0.3], [0.1, 0.5, 0.4]] * 10)
    found = compare(original, sigmoids([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]] * 10))
    assert found.worst.measure == "same class"
    assert found.percent == 100.0


def test_each_output_by_its_own_scale() -> None:
    """What is lost of small scores is not hidden by large boxes that are kept."""
    random = np.random.default_rng(0)
    scores = random.uniform(0, 1, (30, 1, 4)).astype(np.float32)
    boxes = random.normal(0, 300, (30, 1, 4)).astype(np.float32)
    original = [[score, box] for score, box in zip(scores, boxes, strict=True)]
    changed = [[np.full_like(score, 0.5), box] for score, box in zip(scores, boxes, strict=True)]
    found = compare(original, changed, card("raw"))
    assert [figure.measure for figure in found.figures] == ["variance kept"] * 2
    assert found.figures[1].percent == 100.0
    assert found.percent < 10.0


def test_variance_kept_by_hand() -> None:
    values = [0.0, 1.0, 2.0, 5.0]
    missed = [0.1, -0.2, 0.3, 0.0]
    original = [[np.array([[value]], np.float32)] for value in values]
    changed = [[np.array([[value + d]], np.float32)] for value, d in zip(values, missed, strict=True)]
    found = compare(original, changed, card("raw"))
    kept = 1 - np.square(missed).sum() / np.square(np.array(values) - 2.0).sum()
    assert found.percent == pytest.approx(100 * kept, rel=1e-5)


def test_an_output_that_never_varies_says_nothing_unless_it_changed() -> None:
    constant, other = ([[np.full((1, 2), value, np.float32)]] * 12 for value in (1.0, 0.0))
    for own in (card("raw"), card()):
        with pytest.raises(InputError, match="the same for all 12 images, so nothing can be compared"):
            compare(constant, constant, own)
        assert compare(constant, other, own).percent == 0.0
    varying = [[constant[0][0], row[0]] for row in logits([0, 1, 2, 3] * 3)]
    found = compare(varying, varying, card("raw"))
    assert [figure.output for figure in found.figures] == ["out1"]
    assert found.notes == ("output 'out0' is the same for all images, so nothing can be said of it",)


def numbers(values: Sequence[int]) -> list[list[NDArray[np.int64]]]:
    return [[np.array([value])] for value in values]


def test_the_number_of_a_class_that_is_always_the_same_says_nothing() -> None:
    with pytest.raises(InputError, match="nothing can be compared"):
        compare(numbers([3] * 12), numbers([3] * 12), card("raw"))
    assert compare(numbers([3] * 12), numbers([3] * 6 + [4] * 6), card("raw")).percent == 0.0


def test_numbers_that_are_rare_count_by_themselves() -> None:
    found = compare(numbers([3] * 38 + [1, 2]), numbers([3] * 40), card("raw"))
    assert [figure.percent for figure in found.figures] == [95.0, 0.0]
    assert found.notes[0].startswith(
        "output 'out0' is 3 at 38 of 40 images, so agreement on that says little"
    )


def test_maps_of_class_numbers_are_compared_by_place() -> None:
    maps = [np.arange(36).reshape(1, 6, 6) % 3 for _ in range(10)]
    changed = [each.copy() for each in maps]
    for each in changed:
        each[:, :, :3] = 7
    found = compare([[each] for each in maps], [[each] for each in changed], card("raw"))
    assert found.worst.words() == "same numbers at the places of 10 images, output 'out0'"
    assert found.percent == 50.0
    empty = [[np.zeros((1, 40, 40), np.int64)] for _ in range(10)]
    seldom = [[each[0].copy()] for each in empty]
    for each in seldom:
        each[0][0, 0, 0] = 1
    assert compare(seldom, empty, card("raw")).percent == 0.0  # not 99.9


def test_values_that_are_no_numbers_agree_with_nothing() -> None:
    original = logits([0, 1, 2, 3] * 5)
    for row in original[:10]:
        row[0][0, 0] = np.nan
    assert compare(original, original).percent == 50.0
    maps = [[output[0].reshape(1, 4, 1, 1)] for output in original]
    assert compare(maps, maps, card("raw", labels=4)).figures[0].percent == 50.0


def test_a_single_image_is_told_of() -> None:
    found = compare(logits([1]), logits([1]), card("raw"))
    assert any("a single image was compared" in doubt for doubt in found.doubts(1.0))
    assert not any("single" in doubt for doubt in compare(logits([1, 0]), logits([1, 0])).doubts(1.0))


def test_maps_over_the_cards_classes_are_compared_by_place() -> None:
    random = np.random.default_rng(0)
    original = [[random.normal(size=(1, 5, 6, 6)).astype(np.float32)] for _ in range(10)]
    changed = [[output[0].copy()] for output in original]
    for output in changed:
        output[0][:, :, :3] = -output[0][:, :, :3]
    found = compare(original, changed, card("raw", labels=5))
    assert found.worst.measure == "same class"
    assert 50.0 <= found.percent < 60.0
    assert compare(original, changed, card("raw")).worst.measure == "variance kept"


def test_lengths_that_vary_cannot_be_compared() -> None:
    original = [[np.zeros((1, 2), np.float32)], [np.zeros((1, 3), np.float32)]]
    with pytest.raises(InputError, match="output 'out0' has another length on another image"):
        compare(original, original, card("raw"))


def seen(boxes: list[tuple[float, ...]], classes: list[int], *raw: float) -> Seen:
    return Seen(detections(boxes, classes), [np.array([raw], np.float32)])


def detectors(original: Sequence[Seen], changed: Sequence[Seen]) -> Agreement:
    comparison = DetectorComparison(["raw"])
    for one, other in zip(original, changed, strict=True):
        comparison.add(one, other)
    return comparison.agreement()


def test_detections_are_compared_by_their_f1_score() -> None:
    first = [seen([BOX, OTHER], [0, 1], 1), seen([BOX], [0], 2)] * 12
    other = [seen([SAME], [0], 1), seen([BOX, OTHER, BOX], [1, 0, 0], 2)] * 12
    found = detectors(first, other)
    assert found.percent == pytest.approx(100 * 2 * 2 / (3 + 4))
    assert found.worst.words() == "same boxes and classes of 36 detections in 24 of 24 images"
    assert found.notes == ()
    assert detectors(other, first).percent == found.percent
    assert detectors(first, first).percent == 100


def test_few_detections_do_not_carry_the_figure() -> None:
    """Three faces that are kept say nothing of what became of 27 empty scenes."""
    random = np.random.default_rng(0)
    raw = random.normal(size=30)
    first = [seen([BOX], [0], value) for value in raw[:3]] + [seen([], [], value) for value in raw[3:]]
    other = [seen([BOX], [0], 0.0)] * 3 + [seen([], [], 0.0)] * 27
    found = detectors(first, other)
    assert [figure.measure for figure in found.figures] == ["same boxes and classes", "variance kept"]
    assert found.figures[0].percent == 100.0
    assert found.percent < 10.0
    assert "finds 3 objects in 3 of 30 images" in found.notes[0]


def test_no_detections_at_all() -> None:
    first = [seen([], [], value) for value in (1.0, 2.0, 3.0)]
    assert [figure.measure for figure in detectors(first, first).figures] == ["variance kept"]
    invented = [seen([BOX], [0], value) for value in (1.0, 2.0, 3.0)]
    assert detectors(first, invented).percent == 0.0


def test_no_detections_and_outputs_of_varying_length() -> None:
    first = [seen([], [], 1.0), seen([], [], 1.0, 2.0)]
    with pytest.raises(InputError, match=r"finds nothing in 2 images.*images that show what it detects"):
        detectors(first, first)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(125, 125, 97.02, 100.0), (0, 10, 0.0, 27.75), (50, 100, 40.38, 59.62), (1, 1, 20.65, 100.0)],
)
def test_wilson_as_tables_give_it(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_percent(successes, trials) == pytest.approx((low, high), abs=0.01)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_interval_holds_the_figure_and_narrows_with_the_cases(trials: int, share: float) -> None:
    successes = round(share * trials)
    low, high = wilson_percent(successes, trials)
    assert 0 <= low <= 100 * successes / trials + 1e-9
    assert 100 * successes / trials <= high + 1e-9
    assert high <= 100
    wider = wilson_percent(successes, trials)
    narrower = wilson_percent(4 * successes, 4 * trials)
    assert narrower[1] - narrower[0] < wider[1] - wider[0]


@given(st.floats(0.1, 50))
def test_cases_needed_are_just_enough(drop: float) -> None:
    needed = cases_needed(drop)
    assert wilson_percent(needed, needed)[0] >= 100 - drop - 1e-9
    assert needed <= 1 or wilson_percent(needed - 1, needed - 1)[0] < 100 - drop


def test_a_drop_is_judged_by_the_lower_end_where_images_are_enough() -> None:
    classes = [0, 1, 2, 3] * 100
    found = compare(logits(classes), logits([*classes[:-4], 1, 0, 3, 2]))
    assert found.percent == 99.0
    assert found.loss_percent(1.0, surely=True) > 2.0
    assert found.loss_percent(1.0, surely=False) == pytest.approx(1.0)
    assert found.doubts(1.0) == []


def test_too_few_images_are_said_to_be() -> None:
    classes = [0, 1, 2, 3] * 10
    found = compare(logits(classes), logits(classes))
    assert found.loss_percent(1.0, surely=True) == 0.0
    assert "takes 381 cases that all agree, and there are 40" in found.doubts(1.0)[0]


def test_a_network_that_is_sure_of_its_images_is_doubted() -> None:
    classes = [0, 1, 2, 3] * 10
    sure = [[4 * row[0]] for row in logits(classes)]
    assert compare(sure, sure).sureness_percent == pytest.approx(100, abs=0.1)
    assert any(
        "as networks are of those that they were trained on" in d for d in compare(sure, sure).doubts(50)
    )
    assert compare(logits(classes), logits(classes)).doubts(50) == []


def test_divergence_is_that_of_kullback_and_leibler() -> None:
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.25, 0.25])
    original, changed = sigmoids([p] * 5 + [p[::-1]] * 5), sigmoids([q] * 5 + [q[::-1]] * 5)
    expected = float((p * np.log(p / q)).sum())
    assert compare(original, changed).divergence == pytest.approx(expected, rel=1e-4)
    in_logits = [[np.log(row[0]) + 3] for row in original], [[np.log(row[0]) + 1] for row in changed]
    assert compare(*in_logits).divergence == pytest.approx(expected, rel=1e-4)
    assert compare(original, original).divergence == 0.0


def test_scores_and_boxes_in_one_output_each_by_its_own_scale() -> None:
    """Wrong scores are not hidden by boxes in pixels, which vary ten thousand times as much."""
    random = np.random.default_rng(0)
    boxes = random.normal(100, 50, (30, 1, 4, 40))
    scores = 0.01 * random.random((30, 1, 2, 40)) * np.array([1, 1e-3])[:, None]  # of one class next to none
    original = [[np.concatenate(pair, axis=1).astype(np.float32)] for pair in zip(boxes, scores, strict=True)]
    changed = [[output[0].copy()] for output in original]
    for output in changed:
        output[0][:, 4] = 0.005
    found = compare(original, changed, card("raw"))
    assert found.percent < 10.0
    assert found.worst.words() == "variance kept of 30 images, at 4 to 5 of axis 1, output 'out0'"
    assert found.figures[1].percent == 100.0
    rows = [[output[0].swapaxes(1, 2)] for output in changed]
    assert compare([[output[0].swapaxes(1, 2)] for output in original], rows, card("raw")).percent < 10.0


def test_parts_of_one_scale_are_one_figure() -> None:
    random = np.random.default_rng(0)
    features = [[random.normal(size=(1, 6, 9)).astype(np.float32)] for _ in range(20)]
    features = [[output[0] * np.array([1, 2, 3, 5, 0, 0.5], np.float32)[:, None]] for output in features]
    (figure,) = compare(features, features, card("raw")).figures
    assert figure.basis == "of 20 images"
