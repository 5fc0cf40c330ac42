"""How far a network is reduced: the fastest attempt within the allowed loss."""

from collections.abc import Callable

import pytest

from export.choose.search import Attempt, furthest


def tries(loss: Callable[[float], float], most: float = 1e9) -> Callable[[float], Attempt[float]]:
    """Attempts that have the speed-up asked for, up to what the methods can do."""

    def attempt(speedup: float) -> Attempt[float]:
        reached = min(speedup, most)
        return Attempt(reached, reached, loss(reached))

    return attempt


def test_a_speedup_within_the_loss_takes_one_attempt() -> None:
    asked = []

    def attempt(speedup: float) -> Attempt[float]:
        asked.append(speedup)
        return Attempt(speedup, speedup, 1.0)

    found = furthest(attempt, 4.0, 2.0)
    assert found is not None
    assert (found.ratio, asked) == (4.0, [4.0])


@pytest.mark.parametrize("limit", [1.2, 2.0, 3.5])
def test_a_wreck_is_not_delivered(limit: float) -> None:
    """Loss jumps at the limit: what is found lies below it, and not far."""
    found = furthest(tries(lambda speedup: 0.0 if speedup <= limit else 50.0), 4.0, 10.0)
    assert found is not None
    assert limit / 4.0 ** (1 / 16) <= found.ratio * 1.001
    assert found.ratio <= limit


def test_without_a_speedup_it_goes_as_far_as_the_loss_allows() -> None:
    found = furthest(tries(lambda speedup: speedup - 1), None, 3.0)
    assert found is not None
    assert 3.7 < found.ratio <= 4.0


def test_it_ends_where_the_methods_end() -> None:
    found = furthest(tries(lambda _: 0.0, most=2.5), None, 1.0)
    assert found is not None
    assert found.ratio == 2.5


def test_nothing_is_found_where_every_step_loses_too_much() -> None:
    assert furthest(tries(lambda _: 5.0), None, 1.0) is None
    assert furthest(tries(lambda _: 5.0), 2.0, 1.0) is None


@pytest.mark.parametrize("wanted", [4.0, None])
def test_what_loses_just_as_much_as_allowed_is_allowed(wanted: float | None) -> None:
    found = furthest(tries(lambda speedup: 2.0 if speedup <= 4.0 else 9.0), wanted, 2.0)
    assert found is not None
    assert 3.8 < found.ratio <= 4.0


def test_what_loses_just_as_much_as_allowed_is_allowed_between_two_ratios() -> None:
    found = furthest(tries(lambda speedup: 2.0 if speedup <= 3.0 else 9.0), 4.0, 2.0)
    assert found is not None
    assert 2.7 < found.ratio <= 3.0


def test_the_search_reaches_below_the_first_step() -> None:
    asked = []

    def attempt(speedup: float) -> Attempt[float]:
        asked.append(speedup)
        return Attempt(speedup, speedup, 0.0 if speedup <= 1.1 else 5.0)

    found = furthest(attempt, None, 1.0)
    assert found is not None
    assert 1.05 < found.ratio <= 1.1
    assert min(asked) > 1.0
