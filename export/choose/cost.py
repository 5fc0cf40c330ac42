"""What is to become less, as a function of the shapes of convolutions."""

from collections.abc import Callable, Sequence

from export.layer import ConvolutionShape

#: What some convolutions, one after another, cost.
Cost = Callable[[Sequence[ConvolutionShape]], float]


def multiply_adds(convolutions: Sequence[ConvolutionShape]) -> float:
    """Multiply-adds that some convolutions, one after another, take for one image."""
    return sum(shape.macs for shape in convolutions)


def stored_bytes(convolutions: Sequence[ConvolutionShape]) -> float:
    """Least size on disk, in bytes, of the weights and biases of some convolutions."""
    return sum(shape.stored_bytes for shape in convolutions)


#: Every cost by the name that the command line and the documents give it.
COSTS: dict[str, Cost] = {"macs": multiply_adds, "storage": stored_bytes}

#: What each of these is counted in, as the documents name it.
UNITS = {"macs": "macs", "storage": "bytes"}
