"""Samples kept for the nonlinear fit: pairs stay together, evenly over all images, in bounded memory."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from export.calibrate.calibration_set import is_held_out
from export.calibrate.pairs import PAIRS_BYTES, PairChooser
from export.fit.data import Pairs


def kept(images: int, rows: int, limit: int) -> Pairs | None:
    """What is kept of so many rows in each image, where memory is for ``limit`` pairs: (image, row)."""
    chooser = PairChooser(images, patch_length=PAIRS_BYTES // (4 * limit))
    for index in range(images):
        patches = np.array([(index, row) for row in range(rows)], np.float32)
        chooser.add(index, patches, np.column_stack([-patches, patches]))
    return chooser.pairs()


@given(st.integers(5, 90), st.integers(1, 30), st.sampled_from([1, 4, 16, 64, 256]))
def test_an_even_part_is_kept(images: int, rows: int, limit: int) -> None:
    pairs = kept(images, rows, limit)
    assert pairs is not None
    count = len(pairs.fit_x) + len(pairs.held_out_x)
    assert min(limit, images * rows) / 2 <= count <= 2 * limit + 5
    for x, y, held_out in (
        (pairs.fit_x, pairs.fit_y, False),
        (pairs.held_out_x, pairs.held_out_y, True),
    ):
        np.testing.assert_array_equal(y, np.column_stack([-x, x]))
        for index in np.unique(x[:, 0]):
            assert is_held_out(int(index)) == held_out
            own = x[x[:, 0] == index, 1]
            assert len(own) == 1 or (own[0], own[-1]) == (0, rows - 1)
            assert np.ptp(np.diff(own)) <= 1 if len(own) > 2 else True


@pytest.mark.parametrize("images", [20, 25, 50])
def test_of_many_images_some_are_held_out(images: int) -> None:
    """Also where every fifth or tenth would do: those held out are every fifth, too."""
    pairs = kept(images, rows=3, limit=5)
    assert pairs is not None
    assert 0 < len(pairs.held_out_x) < len(pairs.fit_x)


def test_samples_of_one_part_only_are_no_pairs() -> None:
    for index in (3, 4):
        chooser = PairChooser(20, 9)
        assert chooser.pairs() is None
        chooser.add(index, np.zeros((4, 9), np.float32), np.zeros((4, 2), np.float32))
        assert chooser.pairs() is None
