"""What there is to fit one layer on, collected image by image, for each group of the layer by itself."""

import numpy as np

from export.calibrate.patches import Samples
from export.calibrate.weighted_layer import WeightedLayer
from export.fit.data import LayerData, Pairs
from export.fit.moments import Accumulator
from export.fit.nonlinearity import Nonlinearity
from export.layer import Layer

MAX_DENSE_INPUTS = 4096  # moments of 128 MiB


class LayerMoments:
    """Collects the moments of a layer's patches and wanted responses.

    Attributes:
        halves: Collects the samples to fit on, and those held out.
        parts: Collects the samples of each group of a grouped convolution; empty for other layers.
    """

    def __init__(self, layer: WeightedLayer, *, with_patches: bool) -> None:
        """Prepare to collect.

        Args:
            layer: The layer with its weights.
            with_patches: Collect the moments of the patches too, not only those of the responses.
        """
        self._own = layer
        self._with_patches = with_patches
        self.halves = Accumulator(), Accumulator()
        self.parts = tuple(LayerMoments(part, with_patches=with_patches) for part in layer.parts)

    def add(self, patches: Samples, wanted: Samples, *, held_out: bool) -> None:
        """Add the samples of an image.

        Args:
            patches: (n, c·kh·kw) float32, of a grouped convolution group after group.
            wanted: (n, d) float32 responses.
            held_out: Whether the image serves to choose among fits, and not to fit.
        """
        pieces = zip(self.parts, self._own.split(patches), self._own.split(wanted), strict=True)
        for part, x, y in pieces:
            part.add(x, y, held_out=held_out)
        # Without columns the moments are those of y alone: xx is what takes time and memory.
        if self.parts or not self._with_patches:
            patches = patches[:, :0]
        elif is_condensed(self._own.layer):
            patches = self._own.respond(patches)
        self.halves[held_out].add(patches, wanted)

    def merge(self, later: "LayerMoments") -> None:
        """Add what was collected of the same layer in the images that come after these."""
        for own, other in zip(self.halves, later.halves, strict=True):
            own.merge(other)
        for part, other_part in zip(self.parts, later.parts, strict=True):
            part.merge(other_part)

    def data(self, nonlinearity: Nonlinearity | None = None, pairs: Pairs | None = None) -> LayerData:
        """The moments collected so far, with all else that a method may use to replace the layer.

        Args:
            nonlinearity: The activation that follows; None for the identity.
            pairs: Some of the samples themselves.
        """
        fit, held_out = (half.moments() for half in self.halves)
        parts = tuple(
            part.data(nonlinearity, piece)
            for part, piece in zip(self.parts, _split_pairs(pairs, len(self.parts)), strict=True)
        )
        return LayerData(
            self._own.layer,
            self._own.weights,
            self._own.bias,
            fit,
            held_out,
            pairs,
            nonlinearity,
            condensed=is_condensed(self._own.layer),
            parts=parts,
        )


def is_condensed(layer: Layer) -> bool:
    """Whether the moments of a layer's input would be too large, and those of its response stand for them."""
    return layer.fully_connected and layer.in_channels > MAX_DENSE_INPUTS


def moments_bytes(layer: Layer, *, with_patches: bool) -> int:
    """Memory in bytes that the moments of a layer take."""
    inputs = layer.out_channels if is_condensed(layer) else layer.patch_length
    return 2 * 8 * (layer.out_channels**2 + (layer.group * inputs**2 if with_patches else 0))


def _split_pairs(pairs: Pairs | None, count: int) -> list[Pairs | None]:
    if pairs is None or not count:
        return [None] * count
    arrays = (pairs.fit_x, pairs.fit_y, pairs.held_out_x, pairs.held_out_y)
    return [Pairs(*pieces) for pieces in zip(*(np.split(a, count, axis=1) for a in arrays), strict=True)]
