"""Choosing a candidate for every layer under a bound on the total cost.

* Energy [Z15 §rank selection]: maximise the product over layers of the response energy kept, by dropping
  again and again where the relative loss of energy for each unit of cost is least.
* Error: minimise the sum of the layers' relative errors, a multiple-choice knapsack, by Lagrangian
  relaxation; then spend what is left of the budget where it helps most. Weighing each error by how much it
  alone changes the network's outputs was tried and is worse: an early layer's error looks grave, yet later
  layers are fitted on what it leaves and repair most of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from export.methods.base import Candidate
from export.network import Layer

BISECTIONS = 60
LAST_WEIGHT = 20.0

Cost = Callable[[Layer | Candidate], float]


def multiply_adds(part: Layer | Candidate) -> float:
    """Multiply-adds for one image."""
    return part.macs


def storage_bytes(part: Layer | Candidate) -> float:
    """Least size on disk."""
    return part.storage_bytes


COSTS: dict[str, Cost] = {"macs": multiply_adds, "storage": storage_bytes}


@dataclass(frozen=True)
class Offer:
    """What one layer may become.

    Attributes:
        layer: The layer.
        candidates: Its replacements; the choice None stands for the layer as it is.
        last: Whether no other layer follows.
    """

    layer: Layer
    candidates: tuple[Candidate, ...]
    last: bool = False

    def choices(self, cost: Cost = multiply_adds) -> list["Choice"]:
        """The layer as it is, and the candidates that no other beats or equals in both cost and error.

        Of equal ones the first stays.
        """
        found: list[Choice] = []
        whole, weight = cost(self.layer), LAST_WEIGHT if self.last else 1.0
        cheaper = [candidate for candidate in self.candidates if cost(candidate) < whole]
        for candidate in sorted(cheaper, key=lambda c: (cost(c), c.relative_error)):
            if not found or weight * candidate.relative_error < found[-1].error:
                found.append(Choice(candidate, float(cost(candidate)), weight * candidate.relative_error))
        return [Choice(None, float(whole), 0.0), *reversed(found)]


@dataclass(frozen=True)
class Choice:
    """One possibility for a layer: its cost, and its error, relative and weighed."""

    candidate: Candidate | None
    cost: float
    error: float


Chosen = dict[str, Candidate]


def by_energy(offers: Sequence[Offer], budget: float, cost: Cost = multiply_adds) -> Chosen:
    """Candidates whose cost sums to at most ``budget``, by least relative energy loss; else the cheapest.

    A step may pass over several ranks: the first rank below the layer itself often saves next to nothing, and
    must not hide what lies behind it.
    """
    ladders = [offer.choices(cost) for offer in offers]
    at = [0] * len(ladders)
    total = sum(ladder[0].cost for ladder in ladders)
    while total > budget:
        steps = [step for row, ladder in enumerate(ladders) for step in _steps(ladder, row, at[row])]
        if not steps:
            break
        _, row, index = min(steps)
        total -= ladders[row][at[row]].cost - ladders[row][index].cost
        at[row] = index
    return _named(offers, [ladder[index] for ladder, index in zip(ladders, at, strict=True)])


def by_error(offers: Sequence[Offer], budget: float, cost: Cost = multiply_adds) -> Chosen:
    """Candidates whose cost sums to at most ``budget`` with the least summed loss; else the cheapest."""
    tables = [_Table.of(offer.choices(cost)) for offer in offers]
    low, high = 0.0, 1.0
    while sum(table.cost(high) for table in tables) > budget and high < 1e30:
        high *= 4.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(t.cost(middle) for t in tables) > budget else (low, middle)
    at = [table.best(high) for table in tables]
    return _named(offers, [t.choices[i] for t, i in zip(tables, _spend(tables, at, budget), strict=True)])


Rule = Callable[[Sequence[Offer], float, Cost], Chosen]
RULES: dict[str, Rule] = {"energy": by_energy, "error": by_error}


@dataclass(frozen=True)
class _Table:
    """A layer's choices as arrays."""

    choices: list[Choice]
    costs: np.ndarray
    losses: np.ndarray

    @classmethod
    def of(cls, choices: list[Choice]) -> "_Table":
        losses = np.array([choice.error for choice in choices])
        return cls(choices, np.array([choice.cost for choice in choices]), losses)

    def best(self, price: float) -> int:
        """The choice of least loss plus cost times price (for each million of its units)."""
        return int(np.argmin(self.losses + price * 1e-6 * self.costs))

    def cost(self, price: float) -> float:
        return float(self.costs[self.best(price)])


def _spend(tables: Sequence[_Table], at: list[int], budget: float) -> list[int]:
    """Take back single reductions with what is left of the budget, the best first."""
    left = budget - sum(float(table.costs[i]) for table, i in zip(tables, at, strict=True))
    while True:
        gains = [
            (
                float(table.losses[i] - table.losses[j]) / max(float(table.costs[j] - table.costs[i]), 1.0),
                row,
                j,
            )
            for row, (table, i) in enumerate(zip(tables, at, strict=True))
            for j in range(len(table.costs))
            if table.losses[j] < table.losses[i] and table.costs[j] - table.costs[i] <= left
        ]
        if not gains:
            return at
        _, row, index = max(gains)
        left -= float(tables[row].costs[index] - tables[row].costs[at[row]])
        at[row] = index


def _steps(ladder: Sequence[Choice], row: int, at: int) -> list[tuple[float, int, int]]:
    """Relative energy loss for each unit of saved cost of every step down from ``at``."""
    kept = [np.log(max(1.0 - choice.error, 1e-300)) for choice in ladder]
    return [
        (float(kept[at] - kept[index]) / (ladder[at].cost - ladder[index].cost), row, index)
        for index in range(at + 1, len(ladder))
    ]


def _named(offers: Sequence[Offer], choices: Sequence[Choice]) -> Chosen:
    return {
        offer.layer.name: choice.candidate
        for offer, choice in zip(offers, choices, strict=True)
        if choice.candidate is not None
    }
