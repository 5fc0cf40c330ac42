"""Truncated SVD, Tucker-2 and CP of the weights: fitted without images; the rest is in ``test_methods``."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from export.methods.cp import alternating_least_squares
from export.methods.factors import singular_vectors
from export.methods.tucker import higher_order_svd, orthogonal_iteration
from tests.export.methods.ways import SQUARE, at_ranks, samples_of
from tests.export.small_networks import convolution, images_for

RANKS = {"weight-svd": (5,), "tucker": (3, 6), "cp": (17,)}


@pytest.mark.parametrize("name", RANKS)
def test_fit_does_not_look_at_the_images(name: str) -> None:
    found = convolution(SQUARE)
    data = [samples_of(found, images_for(found, 8, seed)) for seed in (0, 1)]
    models = [at_ranks(found, each, name, RANKS[name]) for each in data]
    assert models[0].SerializeToString() == models[1].SerializeToString()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_svd_is_the_best_approximation_of_the_weights(rows: int, columns: int, seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(rows, columns))
    vectors = singular_vectors(weights)
    values = np.linalg.svd(weights, compute_uv=False)
    for rank in range(1, min(rows, columns) + 1):
        kept = vectors[:, :rank] @ vectors[:, :rank].T @ weights
        assert np.square(weights - kept).sum() == pytest.approx(np.square(values[rank:]).sum(), abs=1e-9)


def weight_error(kernel: np.ndarray, kept: np.ndarray) -> float:
    return float(np.square(kernel - kept).sum() / np.square(kernel).sum())


kernels = st.builds(
    lambda shape, seed: np.random.default_rng(seed).normal(size=shape),
    st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 9)),
    st.integers(0, 999),
)


@settings(deadline=None)
@given(kernels)
def test_error_of_higher_order_svd_never_grows_with_either_rank(kernel: np.ndarray) -> None:
    whole = higher_order_svd(kernel)
    outputs_, inputs, _ = kernel.shape
    errors = np.array(
        [
            [weight_error(kernel, whole.cut((s, r)).project(kernel)) for r in range(1, outputs_ + 1)]
            for s in range(1, inputs + 1)
        ]
    )
    assert (np.diff(errors, axis=0) <= 1e-9).all()
    assert (np.diff(errors, axis=1) <= 1e-9).all()
    assert errors[-1, -1] == pytest.approx(0, abs=1e-12)


@settings(deadline=None)
@given(kernels, st.integers(1, 7), st.integers(1, 7))
def test_orthogonal_iteration_never_raises_the_error(kernel: np.ndarray, inputs: int, outputs_: int) -> None:
    start = higher_order_svd(kernel).cut((inputs, outputs_))
    found = orthogonal_iteration(kernel, start)
    before, after = (weight_error(kernel, bases.project(kernel)) for bases in (start, found))
    assert after <= before + 1e-9
    assert found.outputs.shape == start.outputs.shape
    np.testing.assert_allclose(found.inputs.T @ found.inputs, np.eye(found.inputs.shape[1]), atol=1e-9)


def test_orthogonal_iteration_finds_what_higher_order_svd_misses() -> None:
    random = np.random.default_rng(3)
    kernel = random.normal(size=(10, 10, 9))
    start = higher_order_svd(kernel).cut((3, 3))
    before, after = (
        weight_error(kernel, bases.project(kernel)) for bases in (start, orthogonal_iteration(kernel, start))
    )
    assert after < before - 0.01


@settings(deadline=None, max_examples=20)
@given(
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 4), st.integers(1, 4)),
    st.lists(st.integers(1, 30), min_size=2, max_size=5, unique=True),
    st.integers(0, 999),
)
def test_cp_error_never_grows_with_rank(
    shape: tuple[int, int, int, int], ranks: list[int], seed: int
) -> None:
    kernel = np.random.default_rng(seed).normal(size=shape)
    found = list(alternating_least_squares(kernel, sorted(ranks)))
    assert [factors.rank for factors in found] == sorted(ranks)
    errors = [weight_error(kernel, factors.tensor()) for factors in found]
    assert all(late <= early + 1e-9 for early, late in itertools.pairwise([1.0, *errors]))


def test_cp_finds_a_sum_of_few_products() -> None:
    random = np.random.default_rng(1)
    factors = [random.normal(size=(side, 4)) for side in (12, 10, 3, 5)]
    kernel = np.einsum("ar,br,cr,dr->abcd", *factors)
    *_, found = alternating_least_squares(kernel, [1, 2, 3, 4, 6])
    assert weight_error(kernel, found.tensor()) < 1e-4


def test_cp_of_nothing() -> None:
    (found,) = alternating_least_squares(np.zeros((4, 3, 3, 3)), [2])
    assert not found.tensor().any()
