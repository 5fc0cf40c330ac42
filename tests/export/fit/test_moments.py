"""Running moments: merged in any order they are those of all samples at once, at any offset."""

import functools
import random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from export.fit.moments import Accumulator, Moments

Array = NDArray[np.float64]


def samples(count: int, p: int, d: int, seed: int = 0, offset: float = 0.0) -> tuple[Array, Array]:
    """Correlated x (count, p) and y (count, d) with far means."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, p)) @ generator.normal(size=(p, p)) + offset
    y = x @ generator.normal(size=(p, d)) + generator.normal(size=(count, d)) - offset
    return x, y


def assert_same(one: Moments, other: Moments, tolerance: float = 1e-9) -> None:
    assert one.count == other.count
    for name in ("mean_x", "mean_y", "xx", "yx", "yy"):
        wanted, found = getattr(one, name), getattr(other, name)
        scale = max(1e-300, float(np.abs(wanted).max(initial=0)))
        np.testing.assert_allclose(found / scale, wanted / scale, atol=tolerance, err_msg=name)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 5), st.integers(1, 4), st.randoms()
)
def test_merged_in_any_order_as_all_at_once(sizes: list[int], p: int, d: int, order: random.Random) -> None:
    x, y = samples(sum(sizes), p, d)
    ends = np.cumsum(sizes)
    cuts = zip(sizes, ends, strict=True)
    parts = [Moments.of(x[end - size : end], y[end - size : end]) for size, end in cuts]
    order.shuffle(parts)
    whole = Moments.of(x, y)
    assert_same(whole, functools.reduce(Moments.merge, parts))
    assert_same(whole, functools.reduce(lambda late, early: early.merge(late), reversed(parts)))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(1, 40))
def test_accumulated_in_blocks_as_all_at_once(sizes: list[int], block_rows: int) -> None:
    x, y = (array.astype(np.float32) for array in samples(sum(sizes), 4, 3))
    accumulator = Accumulator(block_rows)
    for size, end in zip(sizes, np.cumsum(sizes), strict=True):
        accumulator.add(x[end - size : end], y[end - size : end])
    assert_same(Moments.of(x, y), accumulator.moments())


def test_accumulator_may_be_asked_in_between() -> None:
    x, y = (array.astype(np.float32) for array in samples(30, 4, 3))
    accumulator = Accumulator(block_rows=100)
    accumulator.add(x[:10], y[:10])
    assert_same(Moments.of(x[:10], y[:10]), accumulator.moments())
    accumulator.add(x[10:], y[10:])
    assert_same(Moments.of(x, y), accumulator.moments())


def test_merged_accumulators_are_one() -> None:
    x, y = (array.astype(np.float32) for array in samples(30, 4, 3))
    parts = []
    for rows in (slice(0, 0), slice(0, 12), slice(12, 30), slice(30, 30)):
        parts.append(Accumulator(block_rows=5))
        if len(x[rows]):
            parts[-1].add(x[rows], y[rows])
    first, *others = parts
    for later in others:
        first.merge(later)
    assert_same(Moments.of(x, y), first.moments())


def test_errors_are_relative_to_the_variance() -> None:
    x, y = samples(50, 4, 3)
    assert Moments.of(x, y).relative(0.5) == pytest.approx(0.5 / y.var(axis=0).sum())
    assert Moments.of(x, np.ones_like(y)).relative(0.5) == 0


def test_no_samples_are_no_moments() -> None:
    with pytest.raises(ValueError, match="no samples"):
        Accumulator().moments()


def test_definition() -> None:
    x, y = samples(50, 4, 3)
    moments = Moments.of(x, y)
    np.testing.assert_allclose(moments.xx / 50, np.cov(x.T, bias=True))
    np.testing.assert_allclose(moments.yy / 50, np.cov(y.T, bias=True))
    both = np.cov(np.hstack([x, y]).T, bias=True)
    np.testing.assert_allclose(moments.yx / 50, both[4:, :4])
    assert moments.variance == pytest.approx(y.var(axis=0).sum())


def test_samples_are_left_as_they_are() -> None:
    x, y = samples(5, 2, 2)
    kept = x.copy(), y.copy()
    Moments.of(x, y)
    assert np.array_equal(x, kept[0])
    assert np.array_equal(y, kept[1])


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 30), st.integers(1, 5), st.integers(1, 4), st.integers(0, 999))
def test_through_first_only_and_error_agree_with_the_samples(count: int, p: int, d: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = samples(count, p, d, seed)
    moments = Moments.of(x, y)
    weights, bias = generator.normal(size=(d, p)), generator.normal(size=d)
    assert_same(Moments.of(x @ weights.T + bias, y), moments.through(weights, bias))
    size = int(generator.integers(1, p + 1))
    assert_same(Moments.of(x[:, :size], y), moments.first(size))
    entries = generator.permutation(p)[:size]
    assert_same(Moments.of(x[:, entries], y), moments.only(entries))
    direct = np.square(y - x @ weights.T - bias).sum(axis=1).mean()
    assert moments.error(weights, bias) == pytest.approx(direct, rel=1e-9)


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_large_offsets_cost_no_precision(offset: float) -> None:
    """Sums of squares would lose all digits here: (1e6)² is beyond the 1e-4 of what varies."""
    x, y = samples(400, 4, 3)
    parts = [Moments.of(x[i : i + 40] + offset, y[i : i + 40] - offset) for i in range(0, 400, 40)]
    merged = functools.reduce(Moments.merge, parts)
    plain = Moments.of(x, y)
    for name in ("xx", "yx", "yy"):
        np.testing.assert_allclose(getattr(merged, name), getattr(plain, name), rtol=1e-6, atol=1e-5)


def test_error_is_never_negative() -> None:
    x, _ = samples(50, 4, 3)
    weights = np.random.default_rng(1).normal(size=(3, 4))
    moments = Moments.of(x, x @ weights.T + 7)
    assert 0 <= moments.error(weights, np.full(3, 7.0)) < 1e-9


def test_nothing_of_x_is_fine() -> None:
    """Where only the responses are wanted, x has no entries."""
    x, y = (array.astype(np.float32) for array in samples(10, 3, 2))
    accumulator = Accumulator()
    accumulator.add(x[:, :0], y)
    assert_same(Moments.of(x, y).first(0), accumulator.moments())
