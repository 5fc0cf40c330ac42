"""Spatial reduction [J14]: ``kh×1`` with s filters, then ``1×kw`` with d, the second fitted by regression.

What it shares with ``combined``, and the source, is in ``separable``.
"""

from export.fit.data import LayerData
from export.fit.parallel import in_order
from export.layer import Layer
from export.methods.base import Candidate, Replacement, rank_grid, thin
from export.methods.nonlinear import activation_aware
from export.methods.separable import expand, filters_of, vertical_factor

FILTER_STEPS = 24


class Spatial:
    """The spatial method: a vertical and a horizontal factor; the rank is (s,)."""

    name = "spatial"
    rank_count = 1
    needs_patches = True

    def candidates(self, data: LayerData) -> list[Candidate]:
        """A grid of the ranks (s,) that are cheaper, each with its held-out error."""
        layer = data.layer
        if 1 in layer.kernel:
            return []
        ranks = rank_grid(filters_of(layer), layer.out_channels)
        cheaper = [rank for rank in ranks if self.candidate(layer, (rank,), 0.0).macs < layer.macs]
        if not cheaper:
            return []
        expansion = expand(data, cheaper[-1])
        chosen = thin(cheaper, FILTER_STEPS)
        errors = in_order(expansion.errors_by_rank, chosen)
        return [
            self.candidate(layer, (rank,), data.relative(float(by_rank[-1])))
            for rank, by_rank in zip(chosen, errors, strict=True)
        ]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """Two convolutions: ``s·c·kh`` multiply-adds at the input's width, ``s·kw·d`` at the output's."""
        (filters,) = ranks
        convolutions = (
            vertical_factor(layer, filters),
            layer.factor(layer.out_channels, filters, horizontal=True, bias=True),
        )
        return Candidate(self.name, ranks, convolutions, relative_error)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Fit the two: vertical filters from the weighted expansion of W, the rest by regression."""
        (count,) = candidate.ranks
        expansion = expand(data, count)
        error = data.relative(float(expansion.errors_by_rank(count)[-1]))
        trial = expansion.solve(count, expansion.fit)
        aware = activation_aware(data, lambda x: expansion.features(x, count), trial)
        answer = aware or expansion.solve(count, expansion.fit.merge(expansion.held_out))
        convolutions = (expansion.vertical(count), expansion.horizontal(answer.weights, answer.bias))
        solver = f"regression, {data.activation}" if aware else "regression"
        return Replacement(candidate, solver, convolutions, error)
