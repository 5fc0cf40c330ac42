"""A layer with its weights: what it answers to input patches."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from export.calibrate.patches import Samples
from export.fit.moments import Matrix, Vector
from export.layer import Layer
from export.methods.grouped import part_of
from export.network.layers import ReducibleNetwork


@dataclass(frozen=True)
class WeightedLayer:
    """A layer with its weights.

    Attributes:
        layer: The layer.
        weights: (d, c·kh·kw) float64, ``W``.
        bias: (d,) float64, ``b``; zeros where the layer has none.
    """

    layer: Layer
    weights: Matrix
    bias: Vector

    @cached_property
    def parts(self) -> tuple["WeightedLayer", ...]:
        """Each group of a grouped convolution, which is a convolution of its own; empty for other layers."""
        if self.layer.group == 1:
            return ()
        weights, bias = (np.split(array, self.layer.group) for array in (self.weights, self.bias))
        return tuple(WeightedLayer(part_of(self.layer), *own) for own in zip(weights, bias, strict=True))

    def split(self, samples: Samples) -> list[Samples]:
        """Patches or responses (n, ...) of a grouped convolution by its groups; empty for other layers."""
        return np.split(samples, len(self.parts), axis=1) if self.parts else []

    def respond(self, patches: Samples) -> Samples:
        """What the layer answers to patches (n, c·kh·kw): (n, d) float32, infinite where float32 ends."""
        if self.parts:
            pieces = zip(self.parts, self.split(patches), strict=True)
            return np.hstack([part.respond(piece) for part, piece in pieces])
        weights, bias = self._single
        with np.errstate(over="ignore", invalid="ignore"):
            return patches @ weights.T + bias

    @cached_property
    def _single(self) -> tuple[Samples, Samples]:
        """Weights and bias in the precision of the network."""
        return self.weights.astype(np.float32), self.bias.astype(np.float32)


def weighted_layer(network: ReducibleNetwork, layer: Layer) -> WeightedLayer:
    """Take the weights and the bias of a layer from its network."""
    weights = network.array(layer.weight).astype(np.float64)
    weights = weights.T if layer.transposed else weights.reshape(layer.out_channels, -1)
    bias = network.array(layer.bias).astype(np.float64).ravel() if layer.bias else np.zeros(1)
    return WeightedLayer(layer, weights, np.broadcast_to(bias, layer.out_channels))
