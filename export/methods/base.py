"""What every method of reduction is to the rest: candidates with their cost, then the fitted replacement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from export.network import Layer
from export.responses import Matrix, Moments, Vector


@dataclass(frozen=True)
class LayerData:
    """Everything a method may use to replace a layer.

    Attributes:
        layer: Its geometry.
        weights: (d, c·kh·kw) float64, ``W``.
        bias: (d,) float64, ``b``; zeros where the layer has none.
        fit: Moments of (x̂, y) to fit on.
        held_out: Moments of (x̂, y) of other images, to choose on.
    """

    layer: Layer
    weights: Matrix
    bias: Vector
    fit: Moments
    held_out: Moments


@dataclass(frozen=True)
class Convolution:
    """One convolution of a replacement.

    Attributes:
        weights: (out, in / group, kh, kw) float32.
        bias: (out,) float32, or None.
        stride: Vertical and horizontal.
        pads: Top, left, bottom, right.
        dilation: Vertical and horizontal.
        group: Number of groups.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1


@dataclass(frozen=True)
class Replacement:
    """Convolutions that, one after another, stand for a layer.

    Attributes:
        method: Name of the method.
        solver: Which of its fits was best on held-out images.
        rank: Number of filters between the factors.
        convolutions: In order of execution.
        relative_error: Held-out ``E‖y - ỹ‖²`` over the variance of y.
    """

    method: str
    solver: str
    rank: int
    convolutions: Sequence[Convolution]
    relative_error: float


class Method(Protocol):
    """A way to replace a layer by cheaper ones."""

    name: str

    def ranks(self, layer: Layer) -> list[int]:
        """Ranks at which the replacement is cheaper than the layer, rising; empty if there are none."""
        ...

    def macs(self, layer: Layer, rank: int) -> int:
        """Multiply-adds of the replacement for one image."""
        ...

    def parameters(self, layer: Layer, rank: int) -> int:
        """Weights and biases of the replacement."""
        ...

    def fit(self, data: LayerData, rank: int) -> Replacement:
        """The replacement itself.

        Raises:
            ModelRefusedError: A weight of it would not fit into float32.
        """
        ...
