"""What every method is to the rest: candidates with cost and error, then the fitted replacement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import ModelRefusedError
from export.fit.data import LayerData
from export.layer import Convolution, ConvolutionShape, Layer

Value = TypeVar("Value")


@dataclass(frozen=True)
class Candidate:
    """One way to replace one layer, before it is fitted.

    Attributes:
        method: Name of the method.
        ranks: Filters between the factors, in order of execution.
        convolutions: What it consists of, in order of execution: its cost follows from these.
        relative_error: Held-out squared error of the response over its variance, in the original network.
        inputs_read: Of the layer's input channels, how many it reads, where it leaves some unread so that
            the convolution before can do without computing them; None where it reads all.
    """

    method: str
    ranks: tuple[int, ...]
    convolutions: tuple[ConvolutionShape, ...]
    relative_error: float
    inputs_read: int | None = None

    @property
    def macs(self) -> int:
        """Multiply-adds that the replacement takes for one image."""
        return sum(shape.macs for shape in self.convolutions)

    @property
    def parameters(self) -> int:
        """Number of weights and biases of the replacement."""
        return sum(shape.parameters for shape in self.convolutions)


@dataclass(frozen=True)
class Replacement:
    """Convolutions that, one after another, stand for a layer.

    Attributes:
        candidate: What was to be fitted.
        solver: Which of the method's fits was best on held-out images.
        convolutions: In order of execution.
        relative_error: Held-out ``E‖y - ỹ‖²`` over the variance of y, in the network as reduced so far.
    """

    candidate: Candidate
    solver: str
    convolutions: Sequence[Convolution]
    relative_error: float


class Method(Protocol):
    """A way to replace a layer by cheaper ones.

    Attributes:
        name: What the user calls it.
        rank_count: How many ranks its candidates have.
        needs_patches: Whether ``candidates`` uses the moments of x, which are dear to collect.
    """

    name: str
    rank_count: int
    needs_patches: bool

    def candidates(self, data: LayerData) -> list[Candidate]:
        """The replacements that this method offers for a layer: cheaper ones; empty where there are none."""
        ...

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """The replacement of given ranks, not fitted yet; also where it is no cheaper than the layer.

        Args:
            layer: The layer.
            ranks: Filters between the factors, in order of execution.
            relative_error: Held-out squared error of the response over its variance.
        """
        ...

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Fit a replacement: choose on the held-out samples, and then fit on all.

        Args:
            data: What there is to fit the layer on.
            candidate: Which replacement: one that ``candidate`` made.

        Raises:
            ModelRefusedError: A weight of it would not fit into float32.
        """
        ...


def rank_grid(largest: int, channels: int) -> list[int]:
    """Ranks worth offering, rising: multiples of what kernels like, and 1.

    Args:
        largest: The largest rank that may be offered; none where it is below 1.
        channels: Of the layer: of few channels, finer steps are offered.
    """
    step = max(1, min(8, channels // 8))
    return sorted({rank for rank in (1, *range(step, largest + 1, step)) if rank <= largest})


def thin(values: list[Value], count: int) -> list[Value]:
    """At most ``count`` of the values, evenly spaced, the first and the last among them."""
    index = np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int))
    return [values[i] for i in index]


def to_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round to float32. Raises ``ModelRefusedError`` if that overflows or the values are not finite."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    if not np.isfinite(rounded).all():
        raise ModelRefusedError("the fit produced weights beyond float32; use more or other images")
    return rounded
