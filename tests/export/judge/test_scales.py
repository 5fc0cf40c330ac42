"""Parts of an output, told apart by their scale."""

import numpy as np

from export.judge.scales import indices_in_words, parts_axis, parts_by_scale


def test_the_axis_of_unlike_things_is_the_shortest() -> None:
    assert parts_axis((1, 84, 8400)) == 1
    assert parts_axis((1, 25200, 85)) == 2
    assert parts_axis((1, 3)) == 1
    assert parts_axis((1, 1)) is None


def test_scores_of_rare_classes_belong_with_the_other_scores() -> None:
    deviations = np.array([80.0, 90.0, 0.1, 1e-6])
    parts = parts_by_scale(deviations, np.zeros(4), np.array([640.0, 640.0, 0.9, 1e-4]))
    assert [part.tolist() for part in parts] == [[2, 3], [0, 1]]


def test_coefficients_are_of_another_scale_than_boxes() -> None:
    parts = parts_by_scale(np.array([80.0, 0.5, 40.0]), np.full(3, -2.0), np.full(3, 500.0))
    assert [part.tolist() for part in parts] == [[1], [0, 2]]


def test_a_constant_is_no_part_of_its_own() -> None:
    parts = parts_by_scale(np.array([3.0, 0.0, 1e-9]), np.array([-9.0, 2.0, 5.0]), np.array([9.0, 2.0, 5.0]))
    assert [part.tolist() for part in parts] == [[0, 1, 2]]


def test_indices_for_people() -> None:
    assert indices_in_words(np.array([0, 1, 2, 3, 7])) == "0 to 3, 7"
    assert indices_in_words(np.array([1, 3, 5, 7])) == "1, 3, 5 and others"
