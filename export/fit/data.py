"""What there is to fit one layer on: moments of its samples, and some of the samples themselves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.fit.moments import Matrix, Moments, Vector
from export.fit.nonlinearity import Nonlinearity
from export.layer import Layer


@dataclass(frozen=True)
class LayerData:
    """Everything a method may use to replace a layer.

    Attributes:
        layer: Its geometry.
        weights: (d, c·kh·kw) float64, ``W``.
        bias: (d,) float64, ``b``; zeros where the layer has none.
        fit: Moments of (x̂, y) to fit on.
        held_out: Moments of (x̂, y) of other images, to choose on.
        pairs: Some of the samples themselves, for the nonlinear fit; None where it is not wanted.
        nonlinearity: The activation that follows; None for the identity.
        condensed: Whether the moments hold ``W x̂ + b`` in place of x̂: the input of a fully connected layer
            may be too long for moments of its own.
        parts: What there is for each group of a grouped convolution, whose own moments are then of an empty
            x̂; empty for other layers.
    """

    layer: Layer
    weights: Matrix
    bias: Vector
    fit: Moments
    held_out: Moments
    pairs: "Pairs | None" = None
    nonlinearity: Nonlinearity | None = None
    condensed: bool = False
    parts: tuple["LayerData", ...] = ()

    def responses(self, moments: Moments) -> Moments:
        """Moments of ``(W x̂ + b, y)``, from those of ``(x̂, y)`` that stand in ``fit`` or ``held_out``."""
        return moments if self.condensed else moments.through(self.weights, self.bias)

    @property
    def activation(self) -> str:
        """Name of the activation that follows, as reports show it; ``identity`` where none is known."""
        return self.nonlinearity.name if self.nonlinearity else "identity"

    def relative_error(self, weights: Matrix, bias: Vector) -> float:
        """Held-out ``E‖y - (weights x̂ + bias)‖²`` over the variance of y; 0 for a constant response."""
        return self.relative(self.held_out.error(weights, bias))

    def relative(self, error: float) -> float:
        """A squared error on held-out samples over their variance of y; 0 for a constant response."""
        return self.held_out.relative(error)


@dataclass(frozen=True)
class Pairs:
    """Samples of patches and responses, of the images to fit on and of those to choose on.

    Attributes:
        fit_x: (n, c·kh·kw) float32.
        fit_y: (n, d) float32.
        held_out_x: (m, c·kh·kw) float32.
        held_out_y: (m, d) float32.
    """

    fit_x: NDArray[np.float32]
    fit_y: NDArray[np.float32]
    held_out_x: NDArray[np.float32]
    held_out_y: NDArray[np.float32]
