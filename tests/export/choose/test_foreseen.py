"""What other targets are foreseen to cost, against the reductions that are then made."""

import pytest

from export.choose.cost import MULTIPLY_ADDS
from tests.attacks.networks import network
from tests.export.reductions import reduce


@pytest.mark.parametrize("rule", ["error", "energy"])
def test_the_cost_that_was_foreseen_is_that_of_the_reduction(rule: str) -> None:
    promised = {
        round(each.ratio, 6): each.error for each in reduce(network(), target=1.5, rule=rule).promised
    }
    made = [reduce(network(), target=target, rule=rule).ratio(MULTIPLY_ADDS) for target in (1.1, 1.5, 2.0)]
    assert {round(ratio, 6) for ratio in made} <= set(promised)
    assert list(promised.values()) == sorted(promised.values())
