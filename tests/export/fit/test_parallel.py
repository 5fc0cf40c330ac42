"""Pieces shared among workers: the same results in the same order, whatever their number."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from export.fit.alternation import FeatureSamples, alternate
from export.fit.moments import PANEL_COLUMNS, Accumulator, Moments
from export.fit.nonlinearity import relu
from export.fit.parallel import CHUNK_ROWS, in_order, row_chunks, workers
from export.fit.solvers import RIDGE, reduced_rank_regression

COUNTS = (1, 2, 4)


def bytes_of(*arrays: NDArray[np.float64]) -> bytes:
    return b"".join(array.tobytes() for array in arrays)


@settings(deadline=None, max_examples=8)
@given(width=st.integers(1, PANEL_COLUMNS + 90), responses=st.integers(1, 40), seed=st.integers(0, 99))
def test_moments_have_the_same_bytes_with_any_number_of_workers(
    width: int, responses: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(300, width)).astype(np.float32)
    y = random.normal(size=(300, responses)).astype(np.float32)
    found = set()
    for count in COUNTS:
        collected = Accumulator(block_rows=128)
        with workers(count):
            for rows in np.array_split(np.arange(300), 5):
                collected.add(x[rows], y[rows])
            moments = collected.moments()
        found.add(bytes_of(moments.mean_x, moments.mean_y, moments.xx, moments.yx, moments.yy))
    assert len(found) == 1


@settings(deadline=None, max_examples=4)
@given(rows=st.integers(CHUNK_ROWS + 1, 3 * CHUNK_ROWS), seed=st.integers(0, 99))
def test_the_nonlinear_fit_has_the_same_bytes_with_any_number_of_workers(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 9))
    samples = FeatureSamples(features, features @ random.normal(size=(9, 7)) - 1)
    moments = Moments.of(samples.features, samples.responses)
    start = reduced_rank_regression(moments, RIDGE, np.zeros((7, 9))).cut(3)
    found = set()
    for count in COUNTS:
        with workers(count):
            answer = alternate(samples, start, relu())
        assert answer is not start
        found.add(bytes_of(answer.outer, answer.inner, answer.centre, answer.mean_y))
    assert len(found) == 1


@pytest.mark.parametrize("width", [1, PANEL_COLUMNS, 2 * PANEL_COLUMNS + 1])
def test_moments_of_several_panels_by_definition(width: int) -> None:
    random = np.random.default_rng(width)
    x, y = random.normal(size=(40, width)), random.normal(size=(40, width + 3))
    moments = Moments.of(x, y)
    both = np.hstack([x, y])
    expected = np.cov(both, rowvar=False, bias=True) * 40
    np.testing.assert_allclose(moments.xx, expected[:width, :width], atol=1e-11)
    np.testing.assert_allclose(moments.yx, expected[width:, :width], atol=1e-11)
    np.testing.assert_allclose(moments.yy, expected[width:, width:], atol=1e-11)


@pytest.mark.parametrize("count", COUNTS)
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    with workers(count):
        assert list(in_order(lambda item: item**2, range(50))) == [item**2 for item in range(50)]


def test_several_workers_work_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=10)
    with workers(2):
        assert sorted(in_order(lambda _: together.wait(), range(2))) == [0, 1]


def test_no_more_work_than_were_asked_for() -> None:
    before = threading.active_count()
    with workers(2):
        assert max(in_order(lambda _: threading.active_count(), range(50))) <= before + 2
    assert threading.active_count() == before


def test_a_worker_may_share_work_without_waiting_for_itself() -> None:
    with workers(2):
        sums = in_order(lambda item: sum(in_order(lambda other: item * other, range(5))), range(8))
        assert list(sums) == [10 * item for item in range(8)]


def test_after_an_interrupt_nothing_new_begins() -> None:
    begun = []
    before = threading.active_count()

    def interrupted(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), workers(2):
        list(in_order(interrupted, range(100_000)))
    assert len(begun) < 100_000
    assert threading.active_count() == before


def test_chunks_cover_all_rows_once() -> None:
    for rows in (1, CHUNK_ROWS, CHUNK_ROWS + 1, 3 * CHUNK_ROWS):
        assert np.array_equal(
            np.concatenate([np.arange(rows)[chunk] for chunk in row_chunks(rows)]), range(rows)
        )
