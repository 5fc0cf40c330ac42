"""Where ranges end: the rule of least error is no worse than the whole range, and clips where that pays."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from export.precision.activation_ranges import BINS, ActivationRange
from export.precision.clipping import Ends, least_error, whole_range

LEVELS = 255


def seen(values: np.ndarray) -> ActivationRange:
    counts, edges = np.histogram(values, BINS)
    return ActivationRange(float(edges[0]), float(edges[-1]), counts)


def error(values: np.ndarray, ends: Ends) -> float:
    """What int8 makes of some values, written out."""
    low, high = min(ends[0], 0.0), max(ends[1], 0.0)
    step = (high - low) / LEVELS
    zero = np.round(-low / step)
    rounded = (np.clip(np.round(values / step) + zero, 0, LEVELS) - zero) * step
    return float(np.square(values - rounded).mean())


@given(st.integers(0, 10_000), st.floats(0.5, 4), st.floats(-3, 3))
def test_least_error_is_no_worse_than_the_whole_range(seed: int, tail: float, shift: float) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=4000) * np.exp(tail * random.normal(size=4000)) + shift
    found = least_error(seen(values))
    assert error(values, found) <= 1.05 * error(values, whole_range(seen(values)))  # what is within a bin


def test_a_few_large_values_are_cut_off_and_the_rest_lies_finer() -> None:
    values = np.abs(np.random.default_rng(0).normal(size=200_000))
    values[:2] = 40.0
    low, high = least_error(seen(values))
    assert low == pytest.approx(0, abs=0.01)
    assert 4 < high < 38
    assert error(values, (low, high)) < 0.97 * error(values, whole_range(seen(values)))


def test_evenly_spread_values_are_kept_to_their_ends() -> None:
    tensor = seen(np.linspace(-1, 3, 10_000))
    assert least_error(tensor) == pytest.approx((-1, 3), rel=0.03)
    assert whole_range(tensor) == (-1, 3)
