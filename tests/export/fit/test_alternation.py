"""The nonlinear fit: the best answer where it is known, and never a worse one than the linear."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from export.fit.alternation import BLOCK_ROWS, SCHEDULE, FeatureSamples, alternate, predict
from export.fit.moments import Moments
from export.fit.nonlinearity import Nonlinearity, leaky_relu, relu, silu
from export.fit.solvers import RIDGE, LowRank, reduced_rank_regression

Array = NDArray[np.float64]
IDENTITY = leaky_relu(1.0)
ROWS = 3 * BLOCK_ROWS + 7  # several blocks and a part of one


def samples(features: int, responses: int, seed: int) -> FeatureSamples:
    """Features of far means and uneven spread, and responses that are not linear in them."""
    random = np.random.default_rng(seed)
    mix = random.normal(size=(features, features))
    f = random.normal(size=(ROWS, features)) * np.linspace(0.5, 2, features) @ mix + 3
    y = f @ random.normal(size=(features, responses)) + np.sin(f @ random.normal(size=(features, responses)))
    return FeatureSamples(f, y - y.mean(axis=0) + random.normal(size=responses))


def linear(data: FeatureSamples, rank: int) -> LowRank:
    """The best linear answer."""
    moments = Moments.of(data.features, data.responses)
    return reduced_rank_regression(moments, RIDGE, np.zeros_like(moments.yx)).cut(rank)


def error(data: FeatureSamples, answer: LowRank, nonlinearity: Nonlinearity) -> float:
    """By definition."""
    answers = data.features @ answer.weights.T + answer.bias
    difference = nonlinearity(data.responses) - nonlinearity(answers)
    return float(np.square(difference).sum(axis=1).mean())


def random_answer(data: FeatureSamples, rank: int, seed: int) -> LowRank:
    random = np.random.default_rng(seed)
    features, responses = data.features.shape[1], data.responses.shape[1]
    return LowRank(
        random.normal(size=(responses, rank)),
        random.normal(size=(rank, features)),
        random.normal(size=rank),
        random.normal(size=responses),
    )


@pytest.mark.parametrize("nonlinearity", [relu(), silu(), IDENTITY], ids=lambda r: r.name)
def test_answers_and_errors_by_definition(nonlinearity: Nonlinearity) -> None:
    data = samples(5, 4, 0)
    answer = random_answer(data, 2, 0)
    expected = data.features @ answer.weights.T + answer.bias
    np.testing.assert_allclose(predict(answer, data.features), expected, atol=1e-12)
    assert data.error(answer, nonlinearity) == pytest.approx(error(data, answer, nonlinearity), rel=1e-9)


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.integers(0, 999))
def test_without_an_activation_it_finds_the_regression_from_anywhere(
    features: int, responses: int, rank: int, seed: int
) -> None:
    data = samples(features, responses, seed)
    rank = min(rank, responses)
    found = alternate(data, random_answer(data, rank, seed), IDENTITY)
    assert found.inner.shape == (rank, features)
    least = error(data, linear(data, rank), IDENTITY)
    assert error(data, found, IDENTITY) == pytest.approx(least, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("nonlinearity", [relu(), leaky_relu(0.1), silu()], ids=lambda r: r.name)
@settings(deadline=None, max_examples=10)
@given(
    features=st.integers(2, 6), responses=st.integers(2, 6), rank=st.integers(1, 5), seed=st.integers(0, 999)
)
def test_never_worse_than_the_linear_answer(
    nonlinearity: Nonlinearity, features: int, responses: int, rank: int, seed: int
) -> None:
    data = samples(features, responses, seed)
    start = linear(data, min(rank, responses))
    found = alternate(data, start, nonlinearity)
    assert error(data, found, nonlinearity) <= error(data, start, nonlinearity) * (1 + 1e-6)


def mostly_silent(seed: int) -> FeatureSamples:
    """Responses of which a ReLU lets a sixth through."""
    data = samples(6, 6, seed)
    return FeatureSamples(data.features, data.responses - data.responses.std())


@pytest.mark.parametrize("seed", range(6))
def test_better_where_the_activation_hides_most_of_the_response(seed: int) -> None:
    data = mostly_silent(seed)
    start = linear(data, 2)
    assert error(data, alternate(data, start, relu()), relu()) < 0.9 * error(data, start, relu())


def plainly(data: FeatureSamples, start: LowRank, nonlinearity: Nonlinearity) -> LowRank:
    """The two steps of the paper with nothing done to be fast: a whole regression in each, all float64."""
    wanted = nonlinearity(data.responses)
    answer = best = start
    for penalty in SCHEDULE:
        guess = predict(answer, data.features)
        z = nonlinearity.closest(data.responses, wanted, guess, penalty)
        moments = Moments.of(data.features, z)
        answer = reduced_rank_regression(moments, RIDGE, np.zeros_like(moments.yx)).cut(len(start.inner))
        best = min(best, answer, key=lambda each: error(data, each, nonlinearity))
    return best


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("nonlinearity", [relu(), leaky_relu(0.1), silu()], ids=lambda r: r.name)
def test_as_good_as_the_steps_done_plainly(nonlinearity: Nonlinearity, rank: int) -> None:
    for seed in range(6):
        for data in (mostly_silent(seed), samples(5, 5, seed)):
            start = linear(data, rank)
            found, expected = (each(data, start, nonlinearity) for each in (alternate, plainly))
            least = error(data, expected, nonlinearity)
            assert error(data, found, nonlinearity) == pytest.approx(least, rel=2e-3)


def test_the_penalty_rises() -> None:
    """First the activation decides, then the answer is tied to what it answers."""
    assert (SCHEDULE[0], SCHEDULE[-1]) == (0.01, 1.0)
    assert list(SCHEDULE) == sorted(SCHEDULE)


def test_close_to_what_a_search_finds() -> None:
    """Against small random steps from many starts, the best of which is kept again and again."""
    random = np.random.default_rng(4)
    data = samples(3, 3, 5)
    found = alternate(data, linear(data, 1), relu())
    least = np.inf
    for start in range(4):
        answer = linear(data, 1) if start == 0 else random_answer(data, 1, start)
        best, size = error(data, answer, relu()), 1.0
        for turn in range(4000):
            moved = LowRank(
                *(part + size * random.normal(size=part.shape) * (random.random(part.shape) < 0.4)
                  for part in (answer.outer, answer.inner, answer.centre, answer.mean_y))
            )  # fmt: skip
            if (tried := error(data, moved, relu())) < best:
                answer, best = moved, tried
            size = 10 ** -(3 * (turn % 500) / 500)
        least = min(least, best)
    assert error(data, found, relu()) <= 1.05 * least


def test_an_answer_that_cannot_be_improved_stays() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(ROWS, 3))
    exact = LowRank(np.eye(3), random.normal(size=(3, 3)), np.zeros(3), random.normal(size=3))
    data = FeatureSamples(features, predict(exact, features))
    assert alternate(data, exact, IDENTITY) is exact


def test_samples_are_left_as_they_are() -> None:
    data = mostly_silent(0)
    kept = data.features.copy(), data.responses.copy()
    alternate(data, linear(data, 2), relu())
    assert np.array_equal(data.features, kept[0])
    assert np.array_equal(data.responses, kept[1])


def test_dead_features_are_no_obstacle() -> None:
    data = mostly_silent(0)
    dead = FeatureSamples(np.hstack([data.features, np.zeros((ROWS, 2))]), data.responses)
    expected = error(data, alternate(data, linear(data, 2), relu()), relu())
    found = alternate(dead, linear(dead, 2), relu())
    assert error(dead, found, relu()) == pytest.approx(expected, rel=0.02)
