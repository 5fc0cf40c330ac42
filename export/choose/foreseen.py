"""What other targets would come to, as far as candidates foretell it: no layer is fitted for that."""

from collections.abc import Sequence
from dataclasses import dataclass

from export.choose.cost import Measure
from export.choose.offers import Offer
from export.choose.selection import Decision, Selection


@dataclass(frozen=True)
class Foreseen:
    """What a choice of candidates promises.

    Attributes:
        cost: Of all layers that may be replaced.
        error: Sum of the layers' held-out relative errors, weighed as ranks are chosen.
    """

    cost: float
    error: float


def foresee(offers: Sequence[Offer], decision: Decision, measure: Measure) -> Foreseen:
    """What a decision promises.

    Args:
        offers: What each layer may become, in the order of the network.
        decision: As a rule of ``ranks`` made it of these offers.
        measure: What is to become less.
    """
    selection = Selection(offers, measure.of)
    for row, offer in enumerate(offers):
        selection.at[row] = selection.choices(row).candidates.index(decision.get(offer.layer.output))
    error = sum(float(selection.errors(row)[index]) for row, index in enumerate(selection.at))
    return Foreseen(selection.cost(), error)
