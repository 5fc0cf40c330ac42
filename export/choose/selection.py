"""One choice for every layer, and what they cost together.

A layer that reads fewer channels saves filters of its source, the convolution before it that nothing else
reads. So what a choice costs depends on its neighbours': the convolutions linked in this way form chains, in
which each has one source and one reader at most.
"""

from collections.abc import Sequence

import numpy as np

from export.choose.choices import Cost, Offer
from export.fit.moments import Vector
from export.methods.base import Candidate

MILLION = 1e6

Chosen = dict[str, Candidate]


class Selection:
    """An index into the choices of every offer; all layers stay as they are at first.

    Attributes:
        at: The indices, to be read and set.
    """

    def __init__(self, offers: Sequence[Offer], cost: Cost) -> None:
        """Offers are in the order of the network; sources without an offer are taken to cost nothing."""
        self.at = [0] * len(offers)
        self._offers = offers
        self._choices = [offer.choices(cost) for offer in offers]
        self._tables = [
            np.array([(c.fixed, c.variable, c.reads, c.error) for c in choices]) for choices in self._choices
        ]
        rows = {offer.layer.output: row for row, offer in enumerate(offers)}
        self._source = [rows.get(offer.layer.source) if offer.layer.source else None for offer in offers]
        self._reader = {source: row for row, source in enumerate(self._source) if source is not None}

    def cost(self) -> float:
        """Of all together."""
        return sum(
            float(self._tables[row][index, 0] + self._share(row) * self._tables[row][index, 1])
            for row, index in enumerate(self.at)
        )

    def costs(self, row: int) -> Vector:
        """Of each choice of an offer, with what it makes its source cost, all others being as they are."""
        fixed, variable, reads, _ = self._tables[row].T
        source = self._source[row]
        before = 0.0 if source is None else self._tables[source][self.at[source], 1]
        costs: Vector = fixed + self._share(row) * variable + reads * before
        return costs

    def errors(self, row: int) -> Vector:
        """Of each choice of an offer."""
        errors: Vector = self._tables[row][:, 3]
        return errors

    def settle(self, price: float) -> None:
        """Choose for the least summed error plus cost times price (of a million): exact, chain by chain.

        Dynamic programming along the chain, from its first convolution on: ``least[s]`` is the least that a
        layer and all before it can come to if its reader reads the share ``s`` of its outputs.
        """
        best: list[np.ndarray] = []
        least: list[Vector] = []
        for row, table in enumerate(self._tables):
            fixed, variable, reads, error = table.T
            values = error + price / MILLION * fixed
            source = self._source[row]
            if source is not None:
                values = values + least[source][np.searchsorted(self._shares(source), reads)]
            by_share = values[:, None] + price / MILLION * variable[:, None] * self._shares(row)
            best.append(np.argmin(by_share, axis=0))
            least.append(by_share.min(axis=0))
        for row in reversed(range(len(self.at))):
            self.at[row] = int(best[row][np.searchsorted(self._shares(row), self._share(row))])

    def chosen(self) -> Chosen:
        """The candidates by the names of their layers; layers that stay are not there."""
        found = zip(self._offers, self._choices, self.at, strict=True)
        return {
            offer.layer.name: candidate
            for offer, choices, at in found
            if (candidate := choices[at].candidate) is not None
        }

    def _share(self, row: int) -> float:
        """Of a layer's outputs, how many are read."""
        reader = self._reader.get(row)
        return 1.0 if reader is None else float(self._tables[reader][self.at[reader], 2])

    def _shares(self, row: int) -> Vector:
        """All that this may be, rising."""
        reader = self._reader.get(row)
        return np.ones(1) if reader is None else np.unique(self._tables[reader][:, 2])
