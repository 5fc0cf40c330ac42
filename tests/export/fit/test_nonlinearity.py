"""Activations: what they answer, and the elementwise step of the nonlinear fit against a search."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from export.fit.nonlinearity import (
    Nonlinearity,
    Piece,
    PiecewiseLinear,
    clip,
    hard_swish,
    leaky_relu,
    relu,
    silu,
)

PIECEWISE: dict[str, Nonlinearity] = {
    "relu": relu(),
    "leaky relu": leaky_relu(0.2),
    "identity": leaky_relu(1.0),
    "relu6": clip(0.0, 6.0),
    "narrow clip": clip(-1.5, 0.5),
    "bent": PiecewiseLinear("bent", (Piece(-np.inf, 1.0, 0.5, 0.25), Piece(1.0, np.inf, 2.0, -1.25))),
}
SMOOTH: dict[str, Nonlinearity] = {"silu": silu(), "hard swish": hard_swish()}
ALL = PIECEWISE | SMOOTH

values = st.floats(-9, 9, width=32)
penalties = st.sampled_from([1e-3, 0.01, 0.3, 1.0, 20.0])


def test_by_hand() -> None:
    z = np.array([-8.0, -4.0, -1.0, 0.0, 1.0, 4.0, 8.0])
    expected = {
        "relu": [0, 0, 0, 0, 1, 4, 8],
        "leaky relu": [-1.6, -0.8, -0.2, 0, 1, 4, 8],
        "identity": z,
        "relu6": [0, 0, 0, 0, 1, 4, 6],
        "narrow clip": [-1.5, -1.5, -1, 0, 0.5, 0.5, 0.5],
        "bent": [-3.75, -1.75, -0.25, 0.25, 0.75, 6.75, 14.75],
        "silu": z / (1 + np.exp(-z)),
        "hard swish": [0, 0, -1 / 3, 0, 2 / 3, 4, 8],
    }
    for name, wanted in expected.items():
        np.testing.assert_allclose(ALL[name](z), wanted, atol=1e-12)


def test_names_are_those_that_a_report_shows() -> None:
    made = (relu(), leaky_relu(0.1), clip(0, 6), silu(), hard_swish())
    assert [each.name for each in made] == ["relu", "leaky relu", "clip", "silu", "hard swish"]


@pytest.mark.parametrize("name", ALL)
def test_large_values_overflow_nowhere(name: str) -> None:
    z = np.array([-1e30, -100.0, -61.0, 61.0, 1e30], np.float32)
    answers = ALL[name](z)
    assert np.isfinite(answers).all()
    assert (np.diff(answers[[1, 2, 3]]) >= -1e-3).all()


def cost(name: str, z: np.ndarray, target: float, guess: float, penalty: float) -> np.ndarray:
    return (target - ALL[name](z)) ** 2 + penalty * (z - guess) ** 2


def least_cost(name: str, target: float, guess: float, penalty: float) -> float:
    """By trying many points, then many about the best of them."""
    low, high = -20.0, 20.0
    for _ in range(3):
        points = np.linspace(low, high, 2001)
        best = points[np.argmin(cost(name, points, target, guess, penalty))]
        step = points[1] - points[0]
        low, high = max(low, best - step), min(high, best + step)
    return float(cost(name, points, target, guess, penalty).min())


@pytest.mark.parametrize("name", PIECEWISE)
@settings(deadline=None, max_examples=40)
@given(response=values, guess=values, penalty=penalties)
def test_closest_point_of_a_piecewise_linear_activation(
    name: str, response: float, guess: float, penalty: float
) -> None:
    target = float(PIECEWISE[name](np.array([response]))[0])
    (z,) = PIECEWISE[name].closest(*(np.array([v]) for v in (response, target, guess)), penalty)
    searched = least_cost(name, target, guess, penalty)
    assert float(cost(name, z, target, guess, penalty)) <= searched + 1e-9 * (1 + searched)


@pytest.mark.parametrize("penalty", [1e-3, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0])
@pytest.mark.parametrize("name", SMOOTH)
def test_closest_point_of_a_smooth_activation(name: str, penalty: float) -> None:
    """Between the guess and the response, to a sixteenth of the way; never worse than the guess."""
    response, guess = (each.ravel() for each in np.meshgrid(*[np.linspace(-9, 9, 86)] * 2))
    target = SMOOTH[name](response)
    z = SMOOTH[name].closest(response, target, guess, penalty)
    low, high = np.minimum(response, guess), np.maximum(response, guess)
    assert ((low - 1e-12 <= z) & (z <= high + 1e-12)).all()
    found = (target - SMOOTH[name](z)) ** 2 + penalty * (z - guess) ** 2
    sixteenths = guess + np.arange(17)[:, None] / 16 * (response - guess)
    costs = (target - SMOOTH[name](sixteenths)) ** 2 + penalty * (sixteenths - guess) ** 2
    assert (found <= costs[0] + 1e-12).all()
    one_valley = low >= 0  # where both rise: halving finds it
    np.testing.assert_allclose(
        found[one_valley], costs.min(axis=0)[one_valley], rtol=1e-9, atol=1e-12, strict=True
    )


@pytest.mark.parametrize("name", ALL)
def test_each_element_is_on_its_own(name: str) -> None:
    random = np.random.default_rng(0)
    response, guess = random.normal(0, 4, (2, 5, 7))
    target = ALL[name](response)
    together = ALL[name].closest(response, target, guess, 0.3)
    assert together.shape == (5, 7)
    for place in np.ndindex(5, 7):
        (alone,) = ALL[name].closest(*(np.array([each[place]]) for each in (response, target, guess)), 0.3)
        assert together[place] == pytest.approx(alone, abs=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_single_precision_stays_single(name: str) -> None:
    """The step is run in single precision because that is faster."""
    z = np.linspace(-3, 7, 11, dtype=np.float32)
    assert ALL[name](z).dtype == np.float32
    assert ALL[name].closest(z, ALL[name](z), z[::-1].copy(), 0.3).dtype == np.float32


@pytest.mark.parametrize("name", ALL)
def test_inputs_are_left_as_they_are(name: str) -> None:
    z = np.linspace(-3, 7, 11)
    kept = z.copy()
    ALL[name](z)
    target, guess = ALL[name](z), z[::-1].copy()
    arrays = [z, target, guess]
    copies = [each.copy() for each in arrays]
    ALL[name].closest(z, target, guess, 0.3)
    assert np.array_equal(z, kept)
    assert all(np.array_equal(one, other) for one, other in zip(arrays, copies, strict=True))
