"""What a layer may become, and what each possibility costs."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from export.layer import Layer
from export.methods.base import Candidate
from export.methods.input_channels import InputChannels

LAST_WEIGHT = 20.0


@dataclass(frozen=True)
class Cost:
    """What is to become less.

    Attributes:
        of: The cost of a layer, or of a candidate all of whose outputs are read.
        of_last: What of a candidate's cost is in proportion to how many of its outputs are read.
    """

    of: Callable[[Layer | Candidate], float]
    of_last: Callable[[Candidate], float]


MULTIPLY_ADDS = Cost(attrgetter("macs"), attrgetter("last_macs"))
STORAGE_BYTES = Cost(attrgetter("storage_bytes"), attrgetter("last_storage_bytes"))
COSTS = {"macs": MULTIPLY_ADDS, "storage": STORAGE_BYTES}


@dataclass(frozen=True)
class Choice:
    """One possibility for a layer.

    Attributes:
        candidate: The replacement; None for the layer as it is.
        fixed: What it costs at least.
        variable: What it costs on top where all of its outputs are read.
        reads: Share of its input channels that it reads: the source costs so much of its ``variable``.
        error: Relative, and weighed.
    """

    candidate: Candidate | None
    fixed: float
    variable: float
    reads: float
    error: float


@dataclass(frozen=True)
class Offer:
    """What one layer may become.

    Attributes:
        layer: The layer.
        candidates: Its replacements; the choice None stands for the layer as it is.
        last: Whether no other layer follows, to make up for its errors.
    """

    layer: Layer
    candidates: tuple[Candidate, ...]
    last: bool = False

    def choices(self, cost: Cost = MULTIPLY_ADDS) -> list[Choice]:
        """The layer as it is, and the cheaper candidates that no other equals or beats in everything.

        Of equal ones the first stays.
        """
        whole = float(cost.of(self.layer))
        found = [self._choice(each, cost) for each in self.candidates if cost.of(each) < whole]
        return [Choice(None, 0.0, whole, 1.0, 0.0), *_front(found)]

    def _choice(self, candidate: Candidate, cost: Cost) -> Choice:
        variable = float(cost.of_last(candidate))
        narrows = self.layer.source and candidate.method == InputChannels.name
        reads = candidate.ranks[0] / self.layer.in_channels if narrows else 1.0
        error = candidate.relative_error * (LAST_WEIGHT if self.last else 1.0)
        return Choice(candidate, float(cost.of(candidate)) - variable, variable, reads, error)


def _front(choices: list[Choice]) -> list[Choice]:
    """Those that no other equals or beats in all of: cost with no and with all outputs read, reads, error."""
    table = np.array([(c.fixed, c.fixed + c.variable, c.reads, c.error) for c in choices]).reshape(-1, 4)
    front = []
    for row, choice in enumerate(choices):
        as_good = np.all(table <= table[row], axis=1)
        better = as_good & np.any(table < table[row], axis=1)
        if not better.any() and not as_good[:row].any():
            front.append(choice)
    return front
