"""The closed forms against direct optimisation, and on data as bad as it comes."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from export.fit.moments import Moments
from export.fit.regression import intercept
from export.fit.solvers import (
    RIDGE,
    LowRank,
    asymmetric,
    eigenvectors,
    principal_responses,
    reduced_rank_regression,
)

Array = NDArray[np.float64]
NEGLIGIBLE = 1e-12


def samples(count: int, p: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    """Inputs x (count, p) of uneven spread; responses y (count, d), not linear in them."""
    random = np.random.default_rng(seed)
    turned = np.linalg.qr(random.normal(size=(p, p)))[0]
    x = random.normal(size=(count, p)) * np.linspace(0.3, 2, p) @ turned + 1
    y = x @ random.normal(size=(p, d)) + np.sin(x @ random.normal(size=(p, d))) + random.normal(size=d)
    return x, y


def mean_error(x: Array, y: Array, answer: LowRank) -> float:
    return float(np.square(y - x @ answer.weights.T - answer.bias).sum(axis=1).mean())


def regression(moments: Moments, ridge: float = NEGLIGIBLE) -> LowRank:
    return reduced_rank_regression(moments, ridge, np.zeros_like(moments.yx))


def best_by_search(x: Array, y: Array, rank: int, seed: int) -> float:
    """Least mean error of a rank-r map, by alternating least squares from a random start."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    inner = np.random.default_rng(seed).normal(size=(x.shape[1], rank))
    for _ in range(300):
        outer = np.linalg.lstsq(x @ inner, y, rcond=None)[0]
        inner = np.linalg.lstsq(x, y @ np.linalg.pinv(outer), rcond=None)[0]
    return float(np.square(y - x @ inner @ outer).sum(axis=1).mean())


@settings(deadline=None, max_examples=12)
@given(st.integers(2, 5), st.integers(2, 5), st.integers(0, 999), st.data())
def test_reduced_rank_regression_is_what_a_search_finds(
    p: int, d: int, seed: int, data: st.DataObject
) -> None:
    rank = data.draw(st.integers(1, min(p, d)))
    x, y = samples(60, p, d, seed)
    found = mean_error(x, y, regression(Moments.of(x, y)).cut(rank))
    searched = min(best_by_search(x, y, rank, start) for start in range(3))
    assert found <= searched * (1 + 1e-6)
    assert found >= searched * (1 - 1e-3)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 999))
def test_no_small_step_improves_the_answer(p: int, d: int, seed: int) -> None:
    x, y = samples(60, p, d, seed)
    answer = regression(Moments.of(x, y)).cut(max(1, min(p, d) - 1))
    least = mean_error(x, y, answer)
    random = np.random.default_rng(seed)
    for size in (1e-3, 1e-2, 1e-1):
        for _ in range(10):
            outer = answer.outer + size * random.normal(size=answer.outer.shape)
            inner = answer.inner + size * random.normal(size=answer.inner.shape)
            centre = answer.centre + size * random.normal(size=answer.centre.shape)
            moved = LowRank(outer, inner, centre, answer.mean_y)
            assert mean_error(x, y, moved) >= least * (1 - 1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 999))
def test_full_rank_is_least_squares(p: int, d: int, seed: int) -> None:
    x, y = samples(60, p, d, seed)
    answer = regression(Moments.of(x, y))
    design = np.hstack([x, np.ones((60, 1))])
    solution = np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(answer.weights, solution[:-1].T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(answer.bias, solution[-1], rtol=1e-5, atol=1e-5)
    constant = intercept(Moments.of(x, y), answer.weights)
    np.testing.assert_allclose(constant, solution[-1], rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 999), st.sampled_from([NEGLIGIBLE, 1e-3, 0.3]))
def test_ridge_regression_minimises_what_it_says(p: int, d: int, seed: int, ridge: float) -> None:
    """``E‖(y - ȳ) - M (x - x̄)‖² + ridge λ̄ ‖M - prior‖²``, with the pull written as further samples."""
    x, y = samples(60, p, d, seed)
    prior = np.random.default_rng(seed).normal(size=(d, p))
    centred_x, centred_y = x - x.mean(axis=0), y - y.mean(axis=0)
    pull = np.sqrt(ridge * np.trace(centred_x.T @ centred_x) / p)
    design = np.vstack([centred_x, pull * np.eye(p)])
    wanted = np.linalg.lstsq(design, np.vstack([centred_y, pull * prior.T]), rcond=None)[0].T
    answer = reduced_rank_regression(Moments.of(x, y), ridge, prior)
    np.testing.assert_allclose(answer.weights, wanted, rtol=1e-5, atol=1e-6)
    answers = design @ wanted.T
    for rank in range(1, d + 1):  # then the nearest answers of that rank are the best
        basis = np.linalg.svd(answers)[2][:rank]
        least = np.square(answers - answers @ basis.T @ basis).sum()
        cut = np.square(answers - design @ answer.cut(rank).weights.T).sum()
        assert cut == pytest.approx(least, rel=1e-6, abs=1e-9 * np.square(answers).sum())


def solutions(seed: int) -> list[tuple[Moments, LowRank]]:
    """Every solver's answer on the responses of a layer whose input has changed, and the samples."""
    random = np.random.default_rng(seed)
    x, _ = samples(80, 6, 4, seed)
    weights, bias = random.normal(size=(4, 6)), random.normal(size=4)
    y = x @ weights.T + bias
    moments = Moments.of(x + 0.3 * random.normal(size=x.shape), y)
    return [
        (moments, principal_responses(moments, weights, bias)),
        (moments, asymmetric(moments, weights, bias)),
        (moments, reduced_rank_regression(moments, 1e-2, weights)),
        (moments, regression(moments, RIDGE)),
    ]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999))
def test_errors_by_rank_are_those_of_the_cuts(seed: int) -> None:
    others = Moments.of(*samples(50, 6, 4, seed + 1))
    for moments, answer in solutions(seed):
        for judge in (moments, others):
            cuts = [answer.cut(rank) for rank in range(1, 5)]
            wanted = [judge.error(cut.weights, cut.bias) for cut in cuts]
            np.testing.assert_allclose(answer.errors_by_rank(judge), wanted, rtol=1e-7, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 7), st.integers(2, 7), st.integers(0, 999))
def test_training_error_never_grows_with_rank(p: int, d: int, seed: int) -> None:
    moments = Moments.of(*samples(40, p, d, seed))
    errors = regression(moments, RIDGE).errors_by_rank(moments)
    assert (np.diff(errors) <= 1e-6 * moments.variance).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 7), st.integers(0, 999))
def test_asymmetric_beats_linear_on_what_it_is_fitted_to(rank: int, seed: int) -> None:
    (moments, linear), (_, corrected), *_ = solutions(seed)
    rank = min(rank, 4)
    errors = [moments.error(a.cut(rank).weights, a.cut(rank).bias) for a in (linear, corrected)]
    assert errors[1] <= errors[0] * (1 + 1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 999))
def test_full_rank_gives_the_layer_back(p: int, d: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    x, _ = samples(60, p, d, seed)
    weights, bias = random.normal(size=(d, p)), random.normal(size=d)
    moments = Moments.of(x, x @ weights.T + bias)
    answers = [
        principal_responses(moments, weights, bias),
        asymmetric(moments, weights, bias),
        *(reduced_rank_regression(moments, ridge, weights) for ridge in (1e-4, 1.0)),
    ]
    for answer in answers:
        np.testing.assert_allclose(answer.weights, weights, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(answer.bias, bias, rtol=1e-6, atol=1e-5)


def test_principal_responses_are_principal_components() -> None:
    random = np.random.default_rng(0)
    x, _ = samples(100, 8, 5)
    weights, bias = random.normal(size=(5, 8)), random.normal(size=5)
    y = x @ weights.T + bias
    answer = principal_responses(Moments.of(x, y), weights, bias)
    mean = y.mean(axis=0)
    _, _, components = np.linalg.svd(y - mean, full_matrices=False)
    for rank in range(1, 6):
        basis = components[:rank]
        wanted = (y - mean) @ basis.T @ basis + mean
        cut = answer.cut(rank)
        np.testing.assert_allclose(x @ cut.weights.T + cut.bias, wanted, atol=1e-9)


def constant_responses(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.ones_like(y)


def constant_inputs(x: Array, y: Array) -> tuple[Array, Array]:
    return np.full_like(x, 3.0), y


def all_constant(x: Array, y: Array) -> tuple[Array, Array]:
    return np.zeros_like(x), np.zeros_like(y)


def dead_channels(x: Array, y: Array) -> tuple[Array, Array]:
    x[:, :3] = 0
    y[:, 1] = 5
    return x, y


def duplicate_samples(x: Array, y: Array) -> tuple[Array, Array]:
    return np.repeat(x[:2], len(x) // 2, axis=0), np.repeat(y[:2], len(y) // 2, axis=0)


def copied_channels(x: Array, y: Array) -> tuple[Array, Array]:
    x[:, 3:] = x[:, :3]
    y[:, 2:] = y[:, :2]
    return x, y


def tiny_values(x: Array, y: Array) -> tuple[Array, Array]:
    return 1e-20 * x, 1e-20 * y


def large_values(x: Array, y: Array) -> tuple[Array, Array]:
    return 1e15 * x, 1e15 * y


@pytest.mark.parametrize(
    "spoil",
    [
        constant_responses,
        constant_inputs,
        all_constant,
        dead_channels,
        duplicate_samples,
        copied_channels,
        tiny_values,
        large_values,
    ],
)
def test_singular_statistics_have_finite_answers(
    spoil: Callable[[Array, Array], tuple[Array, Array]],
) -> None:
    x, y = spoil(*samples(40, 6, 4))
    weights, bias = np.random.default_rng(0).normal(size=(4, 6)), np.zeros(4)
    moments = Moments.of(x, y)
    answers = {
        "linear": principal_responses(moments, weights, bias),
        "asymmetric": asymmetric(moments, weights, bias),
        "refit": reduced_rank_regression(moments, 1e-4, weights),
        "regression": regression(moments, RIDGE),
    }
    for name, answer in answers.items():
        for rank in (1, 2, 4):
            cut = answer.cut(rank)
            assert np.isfinite(cut.weights).all(), name
            assert np.isfinite(cut.bias).all(), name
        np.testing.assert_allclose(answer.outer.T @ answer.outer, np.eye(4), atol=1e-9)
    slack = 1e-6 * (moments.variance + np.trace(moments.xx) / moments.count)
    for name in ("asymmetric", "regression"):
        assert moments.error(answers[name].weights, answers[name].bias) <= moments.variance + slack


def test_fewer_samples_than_unknowns() -> None:
    x, y = samples(3, 10, 4)
    answer = regression(Moments.of(x, y), RIDGE)
    assert mean_error(x, y, answer) < 1e-6 * np.var(y, axis=0).sum()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(0, 999))
def test_eigenvectors(size: int, seed: int) -> None:
    root = np.random.default_rng(seed).normal(size=(size, size))
    matrix = root @ root.T
    vectors = eigenvectors(matrix)
    values = np.einsum("ij,ik,kj->j", vectors, matrix, vectors)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(size), atol=1e-10)
    np.testing.assert_allclose(vectors * values, matrix @ vectors, atol=1e-8)
    assert (np.diff(values) <= 1e-9).all()
    largest = np.abs(vectors).argmax(axis=0)
    assert (vectors[largest, np.arange(size)] > 0).all()
    np.testing.assert_array_equal(vectors, eigenvectors(matrix.copy()))
