"""What the methods share: ranks worth offering, and weights that fit into a file."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from edge_runtime.base.errors import ModelRefusedError
from export.methods.base import rank_grid, thin, to_float32


@given(st.integers(0, 600), st.integers(1, 600))
def test_rank_grid(largest: int, channels: int) -> None:
    grid = rank_grid(largest, channels)
    assert grid == sorted(set(grid))
    assert all(1 <= rank <= largest for rank in grid)
    assert (1 in grid) == (largest >= 1)
    assert all(after - before <= 8 for before, after in itertools.pairwise(grid))


@given(st.lists(st.integers(), unique=True), st.integers(1, 30))
def test_thinned_values_keep_both_ends(values: list[int], count: int) -> None:
    kept = thin(sorted(values), count)
    assert len(kept) <= count or not values
    assert set(kept) <= set(values)
    assert kept == sorted(kept)
    if values and count > 1:
        assert (kept[0], kept[-1]) == (min(values), max(values))


@pytest.mark.parametrize("value", [1e39, np.nan, np.inf])
def test_weights_beyond_float32_are_refused(value: float) -> None:
    with pytest.raises(ModelRefusedError, match="beyond float32"):
        to_float32(np.array([1.0, value]))
