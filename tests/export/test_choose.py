"""What narrowed layers save in the layer before them is spent."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from export.choose import choose, saved_before
from export.methods.base import Candidate
from export.methods.channel import Channel
from export.methods.input_channels import InputChannels
from export.network import Layer
from export.ranks import RULES, Offer


def layer(name: str, source: str = "") -> Layer:
    """A convolution of 16 to 16 channels at 100 positions: 230,400 multiply-adds."""
    square = {"kernel": (3, 3), "stride": (1, 1), "pads": (1, 1, 1, 1), "dilation": (1, 1), "group": 1}
    sizes = {"input_size": (10, 10), "output_size": (10, 10), "in_channels": 16, "out_channels": 16}
    return Layer(name, "Conv", f"before {name}", name, "w", "", source=source, **square, **sizes)  # type: ignore[arg-type]


LAYERS = (layer("one"), layer("two", "one"), layer("three", "two"))
WHOLE = sum(found.macs for found in LAYERS)


def offers(errors: np.ndarray) -> list[Offer]:
    """Every layer may be factored; the second and third may be narrowed too; errors fall with cost."""
    found = []
    for row, each in enumerate(LAYERS):
        ranks = range(1, 15)
        candidates = [Channel().candidate(each, (rank,), errors[row, 0] * (15 - rank)) for rank in ranks]
        if each.source:
            candidates += [
                InputChannels().candidate(each, (rank,), errors[row, 1] * (16 - rank))
                for rank in range(1, 16)
            ]
        found.append(Offer(each, tuple(candidates)))
    return found


def true_cost(chosen: dict[str, Candidate]) -> float:
    """Of the network that results: one convolution of so many channels, or two factors."""
    widths = {each.name: 16 for each in LAYERS}
    for each in LAYERS:
        candidate = chosen.get(each.name)
        if candidate is not None and candidate.method == "input-channels":
            widths[each.source] = candidate.ranks[0]
    total = 0
    for each in LAYERS:
        candidate = chosen.get(each.name)
        if candidate is not None and candidate.method == "channel":
            total += 100 * candidate.ranks[0] * (144 + widths[each.name])
        else:
            total += 100 * 9 * (widths[each.source] if each.source else 16) * widths[each.name]
    return total


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), share=st.floats(0.2, 0.9))
def test_budget_holds_and_more_of_it_is_used(rule: str, seed: int, share: float) -> None:
    found = offers(np.random.default_rng(seed).uniform(0.001, 0.06, (3, 2)))
    plain = RULES[rule](found, share * WHOLE)
    chosen = choose(rule, found, LAYERS, share * WHOLE)
    assert true_cost(chosen) <= share * WHOLE
    assert true_cost(chosen) >= true_cost(plain) - 1e-6 * WHOLE or chosen == plain


def test_savings_by_hand() -> None:
    by_output = {each.output: each for each in LAYERS}
    half = {each.name: InputChannels().candidate(each, (8,), 0.0) for each in LAYERS[1:]}
    assert saved_before({}, by_output) == 0
    assert saved_before({"two": half["two"]}, by_output) == LAYERS[0].macs / 2
    assert saved_before(half, by_output) == LAYERS[0].macs / 2 + LAYERS[1].macs / 4
    factored = {"two": half["two"], "one": Channel().candidate(LAYERS[0], (4,), 0.0)}
    assert saved_before(factored, by_output) == 0


def test_savings_are_spent_where_they_help() -> None:
    """Narrowing costs nothing here: what it saves before is enough to leave the rest alone."""
    found = offers(np.array([[0.05, 1.0], [0.05, 1e-9], [0.05, 1.0]]))
    budget = WHOLE - LAYERS[1].macs * 0.9
    plain = RULES["error"](found, budget)
    chosen = choose("error", found, LAYERS, budget)
    before, after = (sum(c.relative_error for c in each.values()) for each in (plain, chosen))
    assert after < 0.8 * before
    assert true_cost(plain) < true_cost(chosen) <= budget
