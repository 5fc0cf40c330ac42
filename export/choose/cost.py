"""What is to become less, as a function of the shapes of convolutions, or of what else is counted."""

from collections.abc import Callable, Sequence

from export.layer import Costed

#: What some operators, one after another, cost.
Cost = Callable[[Sequence[Costed]], float]


def multiply_adds(operators: Sequence[Costed]) -> float:
    """Multiply-adds for one image."""
    return sum(each.macs for each in operators)


def stored_bytes(operators: Sequence[Costed]) -> float:
    """Least size of the weights and biases on disk, in bytes."""
    return sum(each.stored_bytes for each in operators)


#: Every cost by the name that the command line and the documents give it.
COSTS: dict[str, Cost] = {"macs": multiply_adds, "storage": stored_bytes}

#: What each of these is counted in, as the documents name it.
UNITS = {"macs": "macs", "storage": "bytes"}
