"""What there is to fit one layer on, collected image by image, for each group of the layer by itself."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from export.fit.data import LayerData, Pairs
from export.fit.moments import Accumulator, Matrix, Vector
from export.fit.nonlinearity import Nonlinearity
from export.layer import Layer
from export.methods.grouped import part_of

Samples = NDArray[np.float32]

MAX_DENSE_INPUTS = 4096  # moments of 128 MiB


class LayerMoments:
    """Collects the moments of a layer's patches and wanted responses, in two parts."""

    def __init__(self, layer: Layer, weights: Matrix, bias: Vector, *, with_patches: bool) -> None:
        """Prepare to collect.

        Args:
            layer: The layer.
            weights: (d, c·kh·kw), ``W``.
            bias: (d,), ``b``.
            with_patches: Collect the moments of the patches too, not only those of the responses.
        """
        self._layer = layer
        self._weights = weights
        self._bias = bias
        self._single = weights.astype(np.float32), bias.astype(np.float32)
        self._with_patches = with_patches
        self._halves = Accumulator(), Accumulator()
        self._parts = tuple(_parts(layer, weights, bias, with_patches=with_patches))

    def respond(self, patches: Samples) -> Samples:
        """What the layer answers to patches (n, group·c·kh·kw): (n, d); infinite where float32 ends."""
        if self._parts:
            pieces = zip(self._parts, self._split(patches), strict=True)
            return np.hstack([part.respond(piece) for part, piece in pieces])
        weights, bias = self._single
        with np.errstate(over="ignore", invalid="ignore"):
            return patches @ weights.T + bias

    def add(self, patches: Samples, wanted: Samples, *, held_out: bool) -> None:
        """Add the samples of an image: patches (n, group·c·kh·kw) and responses (n, d)."""
        for part, x, y in zip(self._parts, self._split(patches), self._split(wanted), strict=True):
            part.add(x, y, held_out=held_out)
        if self._parts or not self._with_patches:
            patches = patches[:, :0]
        elif is_condensed(self._layer):
            patches = self.respond(patches)
        self._halves[held_out].add(patches, wanted)

    def data(self, nonlinearity: Nonlinearity | None = None, pairs: Pairs | None = None) -> LayerData:
        """What was collected.

        Args:
            nonlinearity: The activation that follows; None for the identity.
            pairs: Some of the samples themselves.
        """
        fit, held_out = (half.moments() for half in self._halves)
        parts = tuple(
            part.data(nonlinearity, piece)
            for part, piece in zip(self._parts, _split_pairs(pairs, len(self._parts)), strict=True)
        )
        return LayerData(
            self._layer,
            self._weights,
            self._bias,
            fit,
            held_out,
            pairs,
            nonlinearity,
            condensed=is_condensed(self._layer),
            parts=parts,
        )

    def _split(self, samples: Samples) -> list[Samples]:
        return np.split(samples, len(self._parts), axis=1) if self._parts else []


def is_condensed(layer: Layer) -> bool:
    """Whether the moments of a layer's input would be too large, and those of its response stand for them."""
    return layer.fully_connected and layer.in_channels > MAX_DENSE_INPUTS


def moments_bytes(layer: Layer, *, with_patches: bool) -> int:
    """Memory that the moments of a layer take."""
    inputs = layer.out_channels if is_condensed(layer) else layer.patch_length
    return 2 * 8 * (layer.out_channels**2 + (layer.group * inputs**2 if with_patches else 0))


def _parts(layer: Layer, weights: Matrix, bias: Vector, *, with_patches: bool) -> Iterator[LayerMoments]:
    """One for each group of a grouped convolution, which is a convolution of its own."""
    if layer.group == 1:
        return
    pieces = (np.split(array, layer.group) for array in (weights, bias))
    for own_weights, own_bias in zip(*pieces, strict=True):
        yield LayerMoments(part_of(layer), own_weights, own_bias, with_patches=with_patches)


def _split_pairs(pairs: Pairs | None, count: int) -> list[Pairs | None]:
    if pairs is None or not count:
        return [None] * count
    arrays = (pairs.fit_x, pairs.fit_y, pairs.held_out_x, pairs.held_out_y)
    return [Pairs(*pieces) for pieces in zip(*(np.split(a, count, axis=1) for a in arrays), strict=True)]
