"""One choice for every layer, and what they cost together.

A layer that reads fewer channels saves filters of its source, the convolution before it that nothing else
reads. So what a choice costs depends on its neighbours': the convolutions linked in this way form chains, in
which each has one source and one reader at most.
"""

from collections.abc import Sequence

import numpy as np

from export.choose.choices import Choices, choices_of, inputs_read
from export.choose.cost import Cost
from export.choose.offers import Offer
from export.fit.moments import Vector
from export.methods.base import Candidate

MILLION = 1e6  # prices are of a million multiply-adds, or bytes, so that they are of the size of errors

#: What layers become, by their outputs; those that stay as they are are not there.
Decision = dict[str, Candidate]


class Selection:
    """An index into the choices of every offer; all layers stay as they are at first.

    Attributes:
        at: The indices, to be read and set.
    """

    def __init__(self, offers: Sequence[Offer], cost: Cost) -> None:
        """Offers are in the order of the network; sources without an offer are taken to cost nothing."""
        self.at = [0] * len(offers)
        self._offers = offers
        rows = {offer.layer.output: row for row, offer in enumerate(offers)}
        self._source = [rows.get(offer.layer.source) if offer.layer.source else None for offer in offers]
        self._reader = {source: row for row, source in enumerate(self._source) if source is not None}
        self._choices = [choices_of(offer, self._outputs(row), cost) for row, offer in enumerate(offers)]

    def choices(self, row: int) -> Choices:
        """The possibilities of the layer of a row."""
        return self._choices[row]

    def cost(self) -> float:
        """What all layers cost together as chosen."""
        return sum(
            float(choices.costs[index, self._column(row)])
            for row, (choices, index) in enumerate(zip(self._choices, self.at, strict=True))
        )

    def costs(self, row: int) -> Vector:
        """What each choice of a layer costs (n,), with what its source then costs, all others as chosen."""
        choices = self._choices[row]
        costs: Vector = choices.costs[:, self._column(row)].copy()
        source = self._source[row]
        if source is None:
            return costs
        before = self._choices[source]
        costs += before.costs[self.at[source], np.searchsorted(before.outputs, choices.inputs)]
        return costs

    def errors(self, row: int) -> Vector:
        """The error of each choice of a layer (n,), relative and weighed as in ``Choices``."""
        return self._choices[row].errors

    def settle(self, price: float) -> None:
        """Choose for the least summed error plus cost times price (of a million): exact, chain by chain.

        Dynamic programming along the chain, from its first convolution on: ``least[row][s]`` is the least
        that a layer and all before it can come to if its reader reads ``outputs[s]`` of its outputs.
        """
        best: list[np.ndarray] = []
        least: list[Vector] = []
        for row, choices in enumerate(self._choices):
            values = choices.errors
            source = self._source[row]
            if source is not None:
                read = np.searchsorted(self._choices[source].outputs, choices.inputs)
                values = values + least[source][read]
            by_outputs = values[:, None] + price / MILLION * choices.costs
            best.append(np.argmin(by_outputs, axis=0))
            least.append(by_outputs.min(axis=0))
        # Backwards: what a layer's outputs cost depends on what its reader, a later row, has chosen.
        for row in reversed(range(len(self.at))):
            self.at[row] = int(best[row][self._column(row)])

    def decision(self) -> Decision:
        """The candidates chosen, by the outputs of their layers."""
        chosen = zip(self._offers, self._choices, self.at, strict=True)
        return {
            offer.layer.output: candidate
            for offer, choices, at in chosen
            if (candidate := choices.candidates[at]) is not None
        }

    def _outputs(self, row: int) -> list[int]:
        """The numbers of a layer's outputs among which its reader can choose."""
        reader = self._reader.get(row)
        if reader is None:
            return []
        offer = self._offers[reader]
        return [inputs_read(offer, candidate) for candidate in offer.candidates]

    def _column(self, row: int) -> int:
        """The column of a layer's costs for the number of outputs that its reader reads, as chosen."""
        reader = self._reader.get(row)
        if reader is None:
            return len(self._choices[row].outputs) - 1
        read = self._choices[reader].inputs[self.at[reader]]
        return int(np.searchsorted(self._choices[row].outputs, read))
