"""Choosing candidates: the budget holds wherever it can, and the loss is close to the least there is."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from export.choose.choices import choices_of
from export.choose.cost import multiply_adds, stored_bytes
from export.choose.offers import Offer
from export.choose.ranks import RULES, by_energy, by_error
from export.choose.selection import Decision
from export.layer import ConvolutionShape, Layer
from export.methods.base import Candidate
from export.network.layers import network_of
from tests.attacks.networks import network

LAYER = network_of(network(), None, "it").layers[0]
MACS = LAYER.macs
Rule = Callable[[Sequence[Offer], float], Decision]


def layer_named(name: str) -> Layer:
    return replace(LAYER, name=name, output=name)


def shapes_of(macs: int) -> tuple[ConvolutionShape, ...]:
    """Convolutions of so many multiply-adds and weights, of which the last costs nothing to run."""
    first = ConvolutionShape(1, macs, (1, 1), (1, 1), bias=False)
    return first, replace(LAYER.shape, output_size=(0, 0))


def candidate(macs: int, error: float, method: str = "channel") -> Candidate:
    return Candidate(method, (1,), shapes_of(macs), error)


def offer(name: str, *pairs: tuple[int, float]) -> Offer:
    """A layer and candidates of these costs and errors."""
    return Offer(layer_named(name), tuple(candidate(*pair) for pair in pairs))


@st.composite
def offers(draw: st.DrawFn, layers: int = 4, candidates: int = 5) -> list[Offer]:
    """A few layers, each with candidates of any cost below its own and any error; ties are likely."""
    costs = st.sampled_from([1, MACS // 7, MACS // 3, MACS // 2, MACS - 1]) | st.integers(1, MACS - 1)
    errors = st.sampled_from([0.0, 0.1, 0.5]) | st.floats(0, 1.5)
    pairs = st.lists(st.tuples(costs, errors), max_size=candidates)
    count = draw(st.integers(1, layers))
    return [offer(f"layer{i}", *draw(pairs)) for i in range(count)]


def cost(found: Sequence[Offer], chosen: Decision) -> int:
    return sum(chosen[o.layer.output].macs if o.layer.output in chosen else MACS for o in found)


def loss(chosen: Decision) -> float:
    return sum(candidate.relative_error for candidate in chosen.values())


def cheapest(found: Sequence[Offer]) -> int:
    return sum(min((c.macs for c in o.candidates), default=MACS) for o in found)


def all_choices(found: Sequence[Offer]) -> list[Decision]:
    """Every combination there is."""
    ways = [(None, *o.candidates) for o in found]
    return [
        {o.layer.output: c for o, c in zip(found, way, strict=True) if c is not None}
        for way in itertools.product(*ways)
    ]


def least_loss(found: Sequence[Offer], budget: float) -> float:
    return min(loss(way) for way in all_choices(found) if cost(found, way) <= budget)


@pytest.mark.parametrize("rule", RULES.values())
@settings(deadline=None, max_examples=150)
@given(found=offers(), share=st.floats(0, 1.2))
def test_budget_holds_wherever_it_can(rule: Rule, found: list[Offer], share: float) -> None:
    budget = share * MACS * len(found)
    chosen = rule(found, budget)
    assert cost(found, chosen) <= max(budget, cheapest(found))
    assert all(c in o.candidates for o in found if (c := chosen.get(o.layer.output)))


@pytest.mark.parametrize("rule", RULES.values())
@settings(deadline=None, max_examples=60)
@given(found=offers())
def test_cheapest_where_the_budget_is_out_of_reach(rule: Rule, found: list[Offer]) -> None:
    assert cost(found, rule(found, 0)) == cheapest(found)
    assert cost(found, rule(found, -1e9)) == cheapest(found)


@pytest.mark.parametrize("rule", RULES.values())
@settings(deadline=None, max_examples=60)
@given(found=offers())
def test_nothing_is_lost_where_nothing_must_be_saved(rule: Rule, found: list[Offer]) -> None:
    assert loss(rule(found, MACS * len(found))) == 0


@settings(deadline=None, max_examples=150)
@given(offers(), st.floats(0, 1))
def test_by_error_is_never_worse_than_the_best_by_more_than_one_step(
    found: list[Offer], share: float
) -> None:
    """What a knapsack by prices may leave on the table is one step of one layer."""
    budget = max(share * MACS * len(found), cheapest(found))
    largest_step = max(choices_of(o, (), multiply_adds).errors.max() for o in found)
    assert loss(by_error(found, budget)) <= least_loss(found, budget) + largest_step + 1e-9


def test_by_error_is_close_to_the_best_on_average() -> None:
    """On ladders as real layers have them: the error falls steadily with the rank."""
    random = np.random.default_rng(0)
    found_losses, best_losses = [], []
    for _ in range(60):
        found = []
        for i in range(4):
            ranks = np.arange(1, 8)
            errors = np.exp(-ranks * random.uniform(0.2, 1)) * random.uniform(0.5, 1)
            pairs = [(int(rank * MACS / 9), float(e)) for rank, e in zip(ranks, errors, strict=True)]
            found.append(offer(f"layer{i}", *pairs))
        budget = random.uniform(0.2, 0.8) * 4 * MACS
        found_losses.append(loss(by_error(found, budget)))
        best_losses.append(least_loss(found, budget))
    assert sum(found_losses) <= 1.03 * sum(best_losses)
    assert np.mean(np.isclose(found_losses, best_losses)) > 0.5


def test_by_error_spends_what_is_left() -> None:
    """No price alone finds this: the better candidate of one layer lies off the convex hull."""
    ladder = ((MACS // 10, 0.9), (MACS // 2, 0.85))
    chosen = by_error([offer("a", *ladder)], 0.6 * MACS)
    assert chosen["a"].relative_error == 0.85


@pytest.mark.parametrize(
    ("budget", "first", "second", "losses"),
    [
        (0.6, (0.5, 0.85), (0.3, 0.86), (0.9, 0.86)),  # the first gains more, yet for twice the cost
        (0.5, (0.2, 0.89), (0.4, 0.80), (0.9, 0.80)),  # the first costs less, yet gains next to nothing
    ],
)
def test_by_error_spends_what_is_left_where_each_unit_gains_most(
    budget: float, first: tuple[float, float], second: tuple[float, float], losses: tuple[float, float]
) -> None:
    found = [
        offer(name, (MACS // 10, 0.9), (int(share * MACS), error))
        for name, (share, error) in (("first", first), ("second", second))
    ]
    chosen = by_error(found, budget * MACS)
    assert (chosen["first"].relative_error, chosen["second"].relative_error) == losses


def test_by_energy_keeps_the_product_of_energies() -> None:
    """Both save the same; the energy kept is 0.9 or 0.5, so the first goes first."""
    found = [offer("rich", (MACS // 2, 0.1)), offer("poor", (MACS // 2, 0.5))]
    assert set(by_energy(found, 1.5 * MACS)) == {"rich"}


def test_by_energy_passes_over_a_rank_that_saves_nothing() -> None:
    found = [offer("a", (MACS - 1, 0.4), (MACS // 10, 0.41)), offer("b", (MACS // 2, 0.39))]
    chosen = by_energy(found, 1.2 * MACS)
    assert {output: each.macs for output, each in chosen.items()} == {"a": MACS // 10}


def test_by_energy_weighs_what_is_left_of_a_layer() -> None:
    """Half of half of the energy is as much to lose as half of the whole: more than two fifths of another."""
    halved = offer("halved", (MACS // 2, 0.5), (MACS // 4, 0.76))
    other = offer("other", (MACS - MACS // 4, 0.4))
    chosen = by_energy([halved, other], 1.26 * MACS)
    assert {output: each.relative_error for output, each in chosen.items()} == {"halved": 0.5, "other": 0.4}


@settings(deadline=None, max_examples=150)
@given(offers(layers=1, candidates=8))
def test_choices_are_a_clean_front(found: list[Offer]) -> None:
    choices = choices_of(found[0], (), multiply_adds)
    whole, *points = zip(choices.costs[:, -1], choices.errors, strict=True)
    assert (choices.candidates[0], whole) == (None, (MACS, 0))
    assert not any(_no_worse(a, b) for a, b in itertools.permutations(points, 2))
    for dropped in found[0].candidates:
        assert any(_no_worse(point, (dropped.macs, dropped.relative_error)) for point in points)


def _no_worse(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] <= other[1]


def test_of_equal_candidates_the_first_stays() -> None:
    same = tuple(candidate(MACS // 2, 0.1, method) for method in ("channel", "spatial", "combined"))
    choices = choices_of(Offer(layer_named("a"), same), (), multiply_adds)
    assert [c.method for c in choices.candidates if c] == ["channel"]


def test_a_layer_that_none_follows_is_reduced_last() -> None:
    inner, last = offer("inner", (MACS // 2, 0.2)), offer("last", (MACS // 2, 0.1))
    assert set(by_error([inner, last], 1.5 * MACS)) == {"last"}
    assert set(by_error([inner, replace(last, last=True)], 1.5 * MACS)) == {"inner"}


def test_what_is_saved_may_be_storage() -> None:
    """One candidate saves only multiply-adds, the other only weights."""
    layer = layer_named("a")
    faster = Candidate("channel", (1,), shapes_of(MACS // 2), 0.1)
    smaller = Candidate("sparse", (1,), (replace(layer.shape, connections=1),), 0.1)
    found = [Offer(layer, (faster, smaller))]
    assert by_error(found, MACS / 2)["a"] == faster
    assert by_error(found, stored_bytes([layer.shape]) / 2, stored_bytes)["a"] == smaller
