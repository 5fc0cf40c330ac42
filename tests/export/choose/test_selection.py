"""What a layer saves in its source by reading less of it is known to the choice."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from export.choose.choices import choices_of
from export.choose.cost import multiply_adds
from export.choose.offers import Offer
from export.choose.ranks import RULES, by_error
from export.choose.selection import Decision, Selection
from export.layer import Layer
from export.methods.base import Candidate
from export.methods.channel import Channel
from export.methods.input_channels import InputChannels


def layer(name: str, source: str = "") -> Layer:
    """A convolution of 16 to 16 channels at 100 positions: 230,400 multiply-adds."""
    square = {"kernel": (3, 3), "stride": (1, 1), "pads": (1, 1, 1, 1), "dilation": (1, 1), "group": 1}
    sizes = {"input_size": (10, 10), "output_size": (10, 10), "in_channels": 16, "out_channels": 16}
    return Layer(name, "Conv", f"before {name}", name, "w", "", source=source, **square, **sizes)  # type: ignore[arg-type]


LAYERS = (layer("one"), layer("two", "one"), layer("three", "two"), layer("apart"))
WHOLE = sum(found.macs for found in LAYERS)


def offers(errors: np.ndarray, ranks: range = range(1, 15)) -> list[Offer]:
    """Every layer may be factored; the second and third may be narrowed too; errors fall ever more slowly."""
    found = []
    for row, each in enumerate(LAYERS):
        factored, narrowed = errors[row] / 15
        candidates = [Channel().candidate(each, (rank,), factored * (15 - rank) ** 2) for rank in ranks]
        if each.source:
            candidates += [
                InputChannels().candidate(each, (rank,), narrowed * (16 - rank) ** 2) for rank in ranks
            ]
        found.append(Offer(each, tuple(candidates)))
    return found


def true_cost(chosen: Decision) -> float:
    """Of the network that results: one convolution of so many channels, or two factors."""
    widths = {each.name: 16 for each in LAYERS}
    for each in LAYERS:
        candidate = chosen.get(each.output)
        if candidate is not None and candidate.method == "input-channels":
            widths[each.source] = candidate.ranks[0]
    total = 0
    for each in LAYERS:
        candidate = chosen.get(each.output)
        if candidate is not None and candidate.method == "channel":
            total += 100 * candidate.ranks[0] * (144 + widths[each.name])
        else:
            narrowed = candidate is not None and candidate.method == "input-channels"
            total += 100 * 9 * (widths[each.source] if narrowed else 16) * widths[each.name]
    return total


def loss(chosen: Decision) -> float:
    return sum(candidate.relative_error for candidate in chosen.values())


def random_errors(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.001, 0.06, (len(LAYERS), 2))


def all_choices(found: list[Offer]) -> list[Decision]:
    ways = itertools.product(*((None, *offer.candidates) for offer in found))
    return [{o.layer.output: c for o, c in zip(found, way, strict=True) if c is not None} for way in ways]


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), share=st.floats(0.2, 0.9))
def test_budget_holds_for_the_network_that_results(rule: str, seed: int, share: float) -> None:
    chosen = RULES[rule](offers(random_errors(seed)), share * WHOLE, multiply_adds)
    assert true_cost(chosen) <= share * WHOLE


@given(
    source=st.sampled_from(["one", ""]),
    numbers=st.lists(st.integers(1, 20), max_size=3),
    ranks=st.lists(
        st.tuples(st.booleans(), st.integers(1, 12), st.sampled_from([0.0, 0.1, 0.2])), max_size=9
    ),
)
def test_only_choices_that_another_beats_in_everything_are_left_out(
    source: str, numbers: list[int], ranks: list[tuple[bool, int, float]]
) -> None:
    """One stays that costs more where all outputs are read, and less where few are; or that reads less."""
    reader = replace(LAYERS[1], in_channels=12, out_channels=20, source=source)
    candidates = [
        (InputChannels() if narrowing else Channel()).candidate(reader, (rank,), error)
        for narrowing, rank, error in ranks
    ]
    choices = choices_of(Offer(reader, tuple(candidates)), numbers, multiply_adds)
    assert choices.outputs.tolist() == sorted({*numbers, 20})

    def figures(candidate: Candidate) -> np.ndarray:
        """What it costs for each number of outputs, how much it reads, and its error."""
        (rank,) = candidate.ranks
        factored = candidate.method == "channel"
        costs = [100 * rank * (9 * 12 + s if factored else 9 * s) for s in choices.outputs]
        # what none but this layer would read less of is read as a whole
        read = rank if source and not factored else 12
        return np.array([*costs, read, candidate.relative_error])

    kept = [figures(candidate) for candidate in choices.candidates if candidate]
    rows = np.column_stack([choices.costs, choices.inputs, choices.errors])[1:]
    np.testing.assert_allclose(rows, np.reshape(kept, rows.shape))
    assert not any((one <= other).all() for one, other in itertools.permutations(kept, 2))
    for candidate in candidates:
        own = figures(candidate)
        whole = reader.macs <= own[-3]
        assert whole or any((each <= own).all() for each in kept)


def best_by_price(ways: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those of these (cost, loss) that are the best at some price, the cheapest first."""
    best = [min(ways)]
    while True:
        cost, least = best[-1]
        steps = [((least - error) / (more - cost), more, error) for more, error in ways if error < least]
        if not steps:
            return best
        best.append(max(steps)[1:])


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999))
def test_settled_for_a_price_is_the_best_of_all(seed: int) -> None:
    """Asked where it is hardest: right before and after every price at which the answer changes."""
    found = offers(random_errors(seed), range(1, 16, 4))
    ways = [(true_cost(way) / 1e6, loss(way)) for way in all_choices(found)]
    costs, losses = np.array(ways).T
    best = best_by_price(ways)
    turns = [(high - low) / (dear - cheap) for (cheap, high), (dear, low) in itertools.pairwise(best)]
    assert len(turns) > len(found)  # layers have more than one turn, so what lies between counts too
    selection = Selection(found, multiply_adds)
    for price in (0.0, *(turn * nudge for turn in turns for nudge in (0.9999, 1.0001))):
        selection.settle(price)
        chosen = selection.decision()
        paid = loss(chosen) + price * true_cost(chosen) / 1e6
        assert paid == pytest.approx((losses + price * costs).min(), rel=1e-9)
        assert selection.cost() == pytest.approx(true_cost(chosen))


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 999))
def test_a_budget_that_some_price_meets_exactly_costs_the_least_error(seed: int) -> None:
    found = offers(random_errors(seed), range(1, 16, 4))
    for budget, least in best_by_price([(true_cost(way), loss(way)) for way in all_choices(found)]):
        assert loss(by_error(found, budget)) == pytest.approx(least, rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), rows=st.lists(st.integers(0, 3), min_size=1, max_size=6), data=st.data())
def test_costs_foretell_what_a_change_makes_of_the_whole(
    seed: int, rows: list[int], data: st.DataObject
) -> None:
    selection = Selection(offers(random_errors(seed)), multiply_adds)
    for row in rows:
        costs, before = selection.costs(row), selection.cost()
        index = data.draw(st.integers(0, len(costs) - 1))
        foretold = before + costs[index] - costs[selection.at[row]]
        selection.at[row] = index
        assert selection.cost() == pytest.approx(foretold) == pytest.approx(true_cost(selection.decision()))


def test_close_to_the_least_error_of_all() -> None:
    found_losses, best_losses = [], []
    for seed in range(6):
        found = offers(random_errors(seed), range(1, 16, 4))
        ways = [(loss(way), true_cost(way)) for way in all_choices(found)]
        for share in (0.3, 0.6):
            found_losses.append(loss(by_error(found, share * WHOLE)))
            best_losses.append(min(error for error, cost in ways if cost <= share * WHOLE))
    assert sum(best_losses) <= sum(found_losses) <= 1.1 * sum(best_losses)


def test_what_narrowing_saves_before_is_spent() -> None:
    """The second layer loses nothing by reading less, and pays for the first and the third."""
    errors = np.array([[0.05, 1.0], [0.05, 1e-9], [0.05, 1.0], [0.05, 1.0]])
    chosen = by_error(offers(errors), 0.6 * WHOLE)
    assert set(chosen) == {"two"}
    assert chosen["two"].method == "input-channels"


def test_a_narrowed_source_of_factors_saves_in_its_last_one() -> None:
    one = Channel().candidate(LAYERS[0], (4,), 0.1)
    two = InputChannels().candidate(LAYERS[1], (8,), 0.1)
    selection = Selection([Offer(LAYERS[0], (one,)), Offer(LAYERS[1], (two,))], multiply_adds)
    selection.at = [1, 1]
    assert selection.cost() == one.macs - 100 * 4 * 8 + LAYERS[1].macs / 2
