"""Choosing a candidate for every layer under a bound on the total cost.

* Energy [Z15 §rank selection]: maximise the product over layers of the response energy kept, by dropping
  again and again where the relative loss of energy for each unit of cost is least.
* Error: minimise the sum of the layers' relative errors, a multiple-choice knapsack, by Lagrangian
  relaxation; then spend what is left of the budget where it helps most. Weighing each error by how much it
  alone changes the network's outputs was tried and is worse: an early layer's error looks grave, yet later
  layers are fitted on what it leaves and repair most of it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from export.choose.cost import Cost, multiply_adds
from export.choose.offers import Offer
from export.choose.selection import Decision, Selection

BISECTIONS = 60  # until prices differ in their last bits only
LARGEST_PRICE = 1e30  # at which nothing but cost counts


def by_energy(offers: Sequence[Offer], budget: float, cost: Cost = multiply_adds) -> Decision:
    """Choose candidates whose cost together is at most ``budget``, by least relative energy loss.

    A step may pass over several ranks: the first rank below the layer itself often saves next to nothing, and
    must not hide what lies behind it. Where no step saves anything more, the budget is out of reach.

    Args:
        offers: What each layer may become, in the order of the network.
        budget: Cost of the whole; where it is out of reach, the cheapest is chosen.
        cost: What is to become less.

    Returns:
        The candidates chosen, by the outputs of their layers; layers not in it stay.
    """
    selection = Selection(offers, cost)
    while selection.cost() > budget:
        steps = [step for row in range(len(offers)) if (step := _cheapest_step(selection, row))]
        if not steps:
            break
        _, row, index = min(steps)
        selection.at[row] = index
    return selection.decision()


def by_error(offers: Sequence[Offer], budget: float, cost: Cost = multiply_adds) -> Decision:
    """Choose candidates whose cost together is at most ``budget``, by least summed error.

    Args:
        offers: What each layer may become, in the order of the network.
        budget: Cost of the whole; where it is out of reach, the cheapest is chosen.
        cost: What is to become less.

    Returns:
        The candidates chosen, by the outputs of their layers; layers not in it stay.
    """
    selection = Selection(offers, cost)

    def cost_at(price: float) -> float:
        selection.settle(price)
        return selection.cost()

    # The cost falls as the price rises: first to a price that meets the budget, then to the least such.
    low, high = 0.0, 1.0
    while cost_at(high) > budget and high < LARGEST_PRICE:
        high *= 4.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if cost_at(middle) > budget else (low, middle)
    selection.settle(high)  # at the lower of the two the budget is not met
    _spend(selection, budget)
    return selection.decision()


Rule = Callable[[Sequence[Offer], float, Cost], Decision]
RULES: dict[str, Rule] = {"energy": by_energy, "error": by_error}


def _cheapest_step(selection: Selection, row: int) -> tuple[float, int, int] | None:
    """The choice that makes the whole cheaper with the least relative energy lost for what it saves."""
    costs, errors, at = selection.costs(row), selection.errors(row), selection.at[row]
    saved = costs[at] - costs
    # Logarithms turn the product of energies into a sum; all lost is then much, but not without end.
    kept = np.log(np.maximum(1.0 - errors, 1e-300))
    cheaper = saved > 0
    if not cheaper.any():
        return None
    loss = np.where(cheaper, (kept[at] - kept) / np.where(cheaper, saved, 1.0), np.inf)
    index = int(np.argmin(loss))
    return float(loss[index]), row, index


def _spend(selection: Selection, budget: float) -> None:
    """Take back single reductions with what is left of the budget, the best first."""
    while True:
        left = budget - selection.cost()
        steps = [step for row in range(len(selection.at)) if (step := _best_gain(selection, row, left))]
        if not steps:
            return
        _, row, index = max(steps)
        selection.at[row] = index


def _best_gain(selection: Selection, row: int, left: float) -> tuple[float, int, int] | None:
    """The choice that costs at most ``left`` more and lowers the error most for each unit of cost."""
    costs, errors, at = selection.costs(row), selection.errors(row), selection.at[row]
    more = costs - costs[at]
    better = (errors < errors[at]) & (more <= left)
    if not better.any():
        return None
    # At least 1: what lowers the error and costs nothing more would be divided by zero.
    gain = np.where(better, (errors[at] - errors) / np.maximum(more, 1.0), -np.inf)
    index = int(np.argmax(gain))
    return float(gain[index]), row, index
