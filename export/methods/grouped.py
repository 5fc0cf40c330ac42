"""Grouped convolutions: any method on each group by itself, the results side by side.

A grouped convolution is as many convolutions as it has groups, each on its own channels. All get the same
ranks, so that one grouped convolution holds what the method makes of them: ranks and costs add up.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from export.fit.data import LayerData
from export.layer import Convolution, ConvolutionShape, Layer
from export.methods.base import Candidate, Method, Replacement


class PerGroup:
    """A method that knows no groups, applied to each by itself; layers of one group go straight to it."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self.name = method.name
        self.rank_count = method.rank_count
        self.needs_patches = method.needs_patches

    def candidates(self, data: LayerData) -> list[Candidate]:
        """The candidates of ranks that all groups offer, with the error of the whole response."""
        if not data.parts:
            return self._method.candidates(data)
        of_parts = [{own.ranks: own for own in self._method.candidates(part)} for part in data.parts]
        common = [ranks for ranks in of_parts[0] if all(ranks in part for part in of_parts)]
        return [_together(data, [part[ranks] for part in of_parts]) for ranks in common]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """The replacement of given ranks, not fitted yet.

        Args:
            layer: The layer.
            ranks: Of all groups together: each a multiple of the number of groups.
            relative_error: Held-out squared error of the whole response over its variance.
        """
        if layer.group == 1:
            return self._method.candidate(layer, ranks, relative_error)
        own = tuple(rank // layer.group for rank in ranks)
        of_part = self._method.candidate(part_of(layer), own, relative_error)
        return _times(of_part, layer.group, relative_error)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Fit the groups one by one, and put what comes of them side by side."""
        if not data.parts:
            return self._method.fit(data, candidate)
        ranks = tuple(rank // len(data.parts) for rank in candidate.ranks)
        fitted = [
            self._method.fit(part, self._method.candidate(part.layer, ranks, candidate.relative_error))
            for part in data.parts
        ]
        solvers = " or ".join(sorted({part.solver for part in fitted}))
        convolutions = tuple(
            _side_by_side(pieces) for pieces in zip(*(own.convolutions for own in fitted), strict=True)
        )
        error = _error(data, [own.relative_error for own in fitted])
        return Replacement(candidate, solvers, convolutions, error)


def part_of(layer: Layer) -> Layer:
    """One group of a grouped convolution, as a convolution of one group that has no source."""
    return replace(
        layer,
        group=1,
        in_channels=layer.in_channels // layer.group,
        out_channels=layer.out_channels // layer.group,
        source="",
    )


def _together(data: LayerData, candidates: Sequence[Candidate]) -> Candidate:
    error = _error(data, [candidate.relative_error for candidate in candidates])
    return _times(candidates[0], len(candidates), error)


def _times(candidate: Candidate, groups: int, relative_error: float) -> Candidate:
    return replace(
        candidate,
        ranks=tuple(rank * groups for rank in candidate.ranks),
        convolutions=tuple(_wider(shape, groups) for shape in candidate.convolutions),
        relative_error=relative_error,
    )


def _wider(shape: ConvolutionShape, groups: int) -> ConvolutionShape:
    """Several equal convolutions side by side as one of so many groups more."""
    return replace(
        shape,
        out_channels=shape.out_channels * groups,
        in_channels=shape.in_channels * groups,
        group=shape.group * groups,
        connections=None if shape.connections is None else shape.connections * groups,
    )


def _error(data: LayerData, errors: Sequence[float]) -> float:
    """Squared error over variance of the whole response, from those of the groups."""
    variances = [part.held_out.variance for part in data.parts]
    squared = sum(error * variance for error, variance in zip(errors, variances, strict=True))
    return data.relative(squared)


def _side_by_side(convolutions: Sequence[Convolution]) -> Convolution:
    # A convolution without a bias is so in every group: they all come from one method.
    biases = [convolution.bias for convolution in convolutions if convolution.bias is not None]
    return replace(
        convolutions[0],
        weights=np.concatenate([convolution.weights for convolution in convolutions]),
        bias=np.concatenate(biases) if biases else None,
        group=sum(convolution.group for convolution in convolutions),
    )
