"""How far a network can be reduced before it stops agreeing with the original."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")

STEPS = 4  # each costs a pass over the images, and halves what is left between two ratios
GROWTH = 1.5


@dataclass(frozen=True)
class Attempt(Generic[Result]):
    """What came of trying to be cheaper by some ratio.

    Attributes:
        result: What it made.
        ratio: By how much it is cheaper.
        loss_percent: Agreement lost.
    """

    result: Result
    ratio: float
    loss_percent: float


Try = Callable[[float], Attempt[Result]]


def furthest(attempt: Try[Result], wanted: float | None, max_loss_percent: float) -> Attempt[Result] | None:
    """The cheapest attempt that loses no more than allowed.

    Args:
        attempt: Tries a ratio; may fall short of it where no more is possible.
        wanted: Try no more than this; if None, try ever more until the loss or the methods set an end.
        max_loss_percent: Agreement that may be lost.

    Returns:
        The best attempt, or None if not even the first small step stays within the allowed loss.
    """
    best, low, high = _first(attempt, wanted, max_loss_percent)
    if high is None:
        return best
    for _ in range(STEPS):
        middle = (low * high) ** 0.5  # from 1 to 2 is as far as from 2 to 4
        tried = attempt(middle)
        if tried.loss_percent <= max_loss_percent:
            best, low = tried, middle
        else:
            high = middle
    return best


def _first(
    attempt: Try[Result], wanted: float | None, max_loss_percent: float
) -> tuple[Attempt[Result] | None, float, float | None]:
    """The best so far, a ratio that is allowed, and one that is not (None: no need to search)."""
    if wanted is not None:
        tried = attempt(wanted)
        allowed = tried.loss_percent <= max_loss_percent
        return (tried, wanted, None) if allowed else (None, 1.0, wanted)
    best, low, goal = None, 1.0, GROWTH
    while True:
        tried = attempt(goal)
        if tried.loss_percent > max_loss_percent:
            return best, low, goal
        best, low = tried, goal
        if tried.ratio < goal:  # the methods can do no more
            return best, low, None
        goal *= GROWTH
