"""Spatial and channel reduction combined, the "3d" of [Z15].

Three convolutions: ``kh×1`` with s filters, ``1×kw`` with r, ``1×1`` with d.

[Z15] Zhang, Zou, He, Sun, Accelerating Very Deep Convolutional Networks, arXiv 1505.06798. Here one
reduced-rank regression from the features of the first convolution to y gives the other two together.
"""

from export.fit.data import LayerData
from export.fit.parallel import in_order
from export.layer import Convolution, Layer
from export.methods.base import Candidate, Replacement, rank_grid, thin, to_float32
from export.methods.nonlinear import activation_aware
from export.methods.separable import Expansion, expand, filters_of, vertical_factor

# Each number of filters costs a regression; the ranks of one come with it.
FILTER_STEPS = 16
RANK_STEPS = 24


class Combined:
    """Three factors in a row: vertical, horizontal, pointwise; ranks are (s, r)."""

    name = "combined"
    rank_count = 2
    needs_patches = True

    def candidates(self, data: LayerData) -> list[Candidate]:
        """A grid of the ranks (s, r) that are cheaper, each with its held-out error."""
        layer = data.layer
        if 1 in layer.kernel:
            return []
        counts = rank_grid(filters_of(layer), layer.out_channels)
        cheaper = [count for count in counts if self.candidate(layer, (count, 1), 0.0).macs < layer.macs]
        if not cheaper:
            return []
        expansion = expand(data, cheaper[-1])
        offered = in_order(
            lambda count: self._with_filters(data, expansion, count), thin(cheaper, FILTER_STEPS)
        )
        return [candidate for some in offered for candidate in some if candidate.macs < layer.macs]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """Three convolutions: ``s·c·kh`` multiply-adds at the input's width, then ``r (s·kw + d)``."""
        filters, rank = ranks
        convolutions = (
            vertical_factor(layer, filters),
            layer.factor(rank, filters, horizontal=True),
            layer.factor(layer.out_channels, rank, bias=True),
        )
        return Candidate(self.name, ranks, convolutions, relative_error)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Fit the three: vertical filters from the weighted expansion of W, the rest by one regression."""
        count, rank = candidate.ranks
        layer = data.layer
        expansion = expand(data, count)
        error = data.relative(float(expansion.errors_by_rank(count)[rank - 1]))
        trial = expansion.solve(count, expansion.fit).cut(rank)
        aware = activation_aware(data, lambda x: expansion.features(x, count), trial)
        answer = aware or expansion.solve(count, expansion.fit.merge(expansion.held_out)).cut(rank)
        convolutions = (
            expansion.vertical(count),
            expansion.horizontal(answer.inner, None),
            Convolution(
                to_float32(answer.outer.reshape(layer.out_channels, rank, 1, 1)), to_float32(answer.bias)
            ),
        )
        solver = f"regression, {data.activation}" if aware else "regression"
        return Replacement(candidate, solver, convolutions, error)

    def _with_filters(self, data: LayerData, expansion: Expansion, count: int) -> list[Candidate]:
        layer = data.layer
        errors = expansion.errors_by_rank(count)
        largest = min(layer.out_channels, count * layer.kernel[1]) - 1
        return [
            self.candidate(layer, (count, rank), data.relative(float(errors[rank - 1])))
            for rank in thin(rank_grid(largest, layer.out_channels), RANK_STEPS)
        ]
