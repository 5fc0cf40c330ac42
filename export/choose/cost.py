"""What is to become less: what the shapes of convolutions come to, or what else is counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from export.choose.latency import LatencyTable
from export.layer import ConvolutionShape, Costed

#: What some operators, one after another, cost.
Cost = Callable[[Sequence[Costed]], float]


def multiply_adds(operators: Sequence[Costed]) -> float:
    """Multiply-adds for one image."""
    return sum(each.macs for each in operators)


def stored_bytes(operators: Sequence[Costed]) -> float:
    """Least size of the weights and biases on disk, in bytes."""
    return sum(each.stored_bytes for each in operators)


@dataclass(frozen=True)
class Measure:
    """What is to become less.

    Attributes:
        name: As the documents name it.
        unit: What it is counted in.
        of: What operators come to.
        rest: What the network takes besides its layers and whatever else is counted.
        gain: How many times less it takes already before anything is reduced: by its precision.
    """

    name: str
    unit: str
    of: Cost
    rest: float = 0.0
    gain: float = 1.0


MULTIPLY_ADDS = Measure("macs", "macs", multiply_adds)
STORAGE = Measure("storage", "bytes", stored_bytes)


def time_measure(table: LatencyTable, layers: Sequence[ConvolutionShape]) -> Measure:
    """Time on a machine as what is to become less, in nanoseconds.

    Args:
        table: What was measured there.
        layers: Those of the original network.
    """
    return Measure("time", "ns", table.total, table.rest_ns(layers), table.gain)
