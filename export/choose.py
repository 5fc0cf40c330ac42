"""Choosing by a rule, and spending what narrowed layers save in the layer before them.

A rule adds up the costs of single layers, but a layer that reads fewer channels also saves filters of its
source. What that is worth is known once the source's own choice is: so the rule is asked again with larger
budgets, for the largest whose choice, savings counted, stays within the true one.
"""

from collections.abc import Iterable, Sequence

from export.methods.input_channels import InputChannels
from export.network import Layer
from export.ranks import RULES, Chosen, Cost, Offer, multiply_adds

BISECTIONS = 10


def choose(
    rule: str, offers: Sequence[Offer], layers: Iterable[Layer], budget: float, cost: Cost = multiply_adds
) -> Chosen:
    """Candidates by layer name whose whole cost is at most ``budget``, where that is possible.

    Args:
        rule: A key of ``ranks.RULES``.
        offers: What the reducible layers may become.
        layers: All layers of the network.
        budget: Cost of the layers in ``offers`` together.
        cost: What a layer or a candidate costs.
    """
    by_output = {layer.output: layer for layer in layers}
    chosen = RULES[rule](offers, budget, cost)
    low, high = 0.0, 2.0 * saved_before(chosen, by_output, cost)
    for _ in range(BISECTIONS if high else 0):
        middle = (low + high) / 2
        more = RULES[rule](offers, budget + middle, cost)
        if _whole(offers, more, cost) - saved_before(more, by_output, cost) <= budget:
            chosen, low = more, middle
        else:
            high = middle
    return chosen


def saved_before(chosen: Chosen, by_output: dict[str, Layer], cost: Cost = multiply_adds) -> float:
    """Cost that narrowed layers save in their sources; none is counted in a source of factors."""
    saved = 0.0
    for reader in by_output.values():
        candidate = chosen.get(reader.name)
        if candidate is None or candidate.method != InputChannels.name:
            continue
        source = by_output[reader.source]
        before = chosen.get(source.name)
        if before is None or before.method == InputChannels.name:
            saved += cost(before or source) * (1 - candidate.ranks[0] / reader.in_channels)
    return saved


def _whole(offers: Sequence[Offer], chosen: Chosen, cost: Cost) -> float:
    return sum(cost(chosen.get(offer.layer.name) or offer.layer) for offer in offers)
