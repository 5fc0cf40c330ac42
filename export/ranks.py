"""Choosing a rank for every layer.

Energy [Z15 §rank selection]: maximise the product over layers of the energy kept, under a bound on the total
cost, by dropping again and again where the relative loss of energy for each unit of cost is least.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from export.responses import Vector


@dataclass(frozen=True)
class RankOptions:
    """What one layer may become.

    Attributes:
        name: The layer.
        ranks: Ranks on offer, falling; the first stands for the layer as it is.
        costs: Cost at each.
        energies: Share of the response's variance kept at each, 1.0 first.
    """

    name: str
    ranks: tuple[int, ...]
    costs: tuple[float, ...]
    energies: tuple[float, ...]


def energy_shares(eigenvalues: Vector, ranks: Sequence[int]) -> tuple[float, ...]:
    """Share of the variance in the top eigenvalues (falling) at each rank."""
    total = eigenvalues.sum()
    if total <= 0:
        return tuple(1.0 for _ in ranks)
    running = np.concatenate([[0.0], np.cumsum(eigenvalues)]) / total
    return tuple(float(running[rank]) for rank in ranks)


def by_energy(options: Sequence[RankOptions], budget: float) -> dict[str, int]:
    """Ranks whose cost sums to at most ``budget``, dropped greedily by least relative energy loss.

    A step may pass over several ranks: the first rank below the layer itself often saves next to nothing, and
    must not hide what lies behind it.

    Returns:
        The chosen rank of each layer; where nothing is left to drop, the cheapest of all.
    """
    chosen = dict.fromkeys((option.name for option in options), 0)
    total = sum(option.costs[0] for option in options)
    while total > budget:
        best = min(
            (step for option in options for step in _steps(option, chosen[option.name])),
            default=None,
        )
        if best is None:
            break
        _, name, index, saving = best
        chosen[name] = index
        total -= saving
    return {option.name: option.ranks[chosen[option.name]] for option in options}


def _steps(option: RankOptions, at: int) -> list[tuple[float, str, int, float]]:
    """Relative loss for each unit of saved cost of every step down from ``at``."""
    steps = []
    for index in range(at + 1, len(option.ranks)):
        saving = option.costs[at] - option.costs[index]
        loss = np.log(max(option.energies[at], 1e-300)) - np.log(max(option.energies[index], 1e-300))
        if saving > 0:
            steps.append((float(loss) / saving, option.name, index, saving))
    return steps
