"""Sparse connections [S16]: the weights between inputs and outputs that correlate least become zero.

[S16] Sun, Wang, Tang, Sparsifying neural network connections for face recognition, arXiv 1512.01891. From
denser to sparser, each time refitting the weights that remain to the original response by regression (there:
by training). Kept are the connections of the largest ``|correlation(x, y)|`` or of the largest ``|w|`` times
the spread of x, whichever is better on held-out images.

Zeros are stored in less space and computed just as slowly: a dense kernel multiplies by them too. So the
multiply-adds of the candidates are those of the layer, and what is gained is ``stored_bytes``. The
structured form that does run faster is ``input_channels``.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from export.fit.data import LayerData
from export.fit.moments import Matrix, Moments
from export.fit.regression import intercept, pull_of
from export.layer import Convolution, Layer
from export.methods.base import Candidate, Replacement, to_float32

Mask = NDArray[np.bool_]

KEPT_SHARES = (0.75, 0.5, 0.35, 0.25, 0.15, 0.1)
RIDGE = 1e-3
STEPS = 30
SEARCH_STEPS = 6  # tell which criterion and which share is better; the chosen one gets all steps
CONVERGED = 1e-12  # of the first residual: further steps would only stir rounding errors
CRITERIA = ("correlation", "contribution")


class Sparse:
    """The method that puts zeros in place of weak connections; the rank is (number of connections kept,)."""

    name = "sparse"
    rank_count = 1
    needs_patches = True

    def candidates(self, data: LayerData) -> list[Candidate]:
        """A few numbers of connections, each with its held-out error after the refit."""
        if data.condensed:
            return []
        counts = dict.fromkeys(int(share * data.weights.size) for share in KEPT_SHARES)  # of few, some equal
        return [
            self.candidate(data.layer, (count,), _search(data, count))
            for count in counts
            if count and self._saves(data.layer, count)
        ]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """The layer with fewer connections: less on disk (a bit for each, and those kept), but no faster."""
        (count,) = ranks
        shape = replace(layer.shape, bias=True, connections=count)
        return Candidate(self.name, ranks, (shape,), relative_error)

    def _saves(self, layer: Layer, count: int) -> bool:
        """Whether it takes less than the layer, though it says which weights are zero, and has a bias."""
        (shape,) = self.candidate(layer, (count,), 0.0).convolutions
        return shape.stored_bytes < layer.shape.stored_bytes

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Choose a criterion on held-out images, then refit the connections that it keeps on all."""
        layer = data.layer
        error, criterion, mask = min(_trials(data, candidate.ranks[0], STEPS), key=lambda trial: trial[0])
        moments = data.fit.merge(data.held_out)
        weights = refit(moments, data.weights, mask, STEPS)
        bias = intercept(moments, weights)
        convolution = Convolution(
            to_float32(weights.reshape(layer.out_channels, layer.in_channels, *layer.kernel)),
            to_float32(bias),
            layer.stride,
            layer.pads,
            layer.dilation,
        )
        return Replacement(candidate, criterion, (convolution,), error)


def _trials(data: LayerData, count: int, steps: int) -> Iterator[tuple[float, str, Mask]]:
    for criterion in CRITERIA:
        mask = strongest(data.fit, data.weights, count, criterion)
        weights = refit(data.fit, data.weights, mask, steps)
        bias = intercept(data.fit, weights)
        yield data.relative_error(weights, bias), criterion, mask


def _search(data: LayerData, count: int) -> float:
    """Held-out error of the better criterion, after a few steps of the refit."""
    return min(error for error, _, _ in _trials(data, count, SEARCH_STEPS))


def strongest(moments: Moments, weights: Matrix, count: int, criterion: str) -> Mask:
    """The connections to keep.

    Args:
        moments: Of (x, y).
        weights: (d, c·kh·kw), ``W``.
        count: How many to keep.
        criterion: One of ``CRITERIA``: ``correlation`` of x and y, or ``contribution``, ``|w|`` times the
            spread of x.

    Returns:
        (d, c·kh·kw) booleans, ``count`` of which are true.
    """
    spread_x = np.sqrt(np.diag(moments.xx))
    strength = np.abs(weights) * spread_x
    if criterion == "correlation":
        spreads = np.outer(np.sqrt(np.diag(moments.yy)), spread_x)
        strength = np.abs(moments.yx) / np.where(spreads > 0, spreads, np.inf)
    kept = np.zeros(weights.size, bool)
    kept[np.argsort(-strength, axis=None, kind="stable")[:count]] = True
    return kept.reshape(weights.shape)


def refit(moments: Moments, weights: Matrix, mask: Mask, steps: int) -> Matrix:
    """Regression of y on the connections kept, pulled towards ``weights`` by a ridge.

    A problem of its own for each output, all solved at once by conjugate gradients.

    Args:
        moments: Of (x, y).
        weights: (d, c·kh·kw), ``W``.
        mask: (d, c·kh·kw), the connections kept.
        steps: Of conjugate gradients, at most.

    Returns:
        (d, c·kh·kw) weights, zero where nothing is kept.
    """
    diagonal = np.diag(moments.xx)
    pull = pull_of(moments.xx, RIDGE)
    scale = 1.0 / (diagonal + pull)  # the steps' preconditioner: inputs differ much in size
    kept_weights = np.where(mask, weights, 0.0)
    residual = np.where(
        mask, moments.yx + pull * weights - kept_weights @ moments.xx - pull * kept_weights, 0.0
    )
    direction = residual * scale
    power = np.einsum("dp,dp->d", residual, direction)
    enough = CONVERGED * np.maximum(power, np.finfo(np.float64).tiny)
    for _ in range(steps):
        image = np.where(mask, direction @ moments.xx + pull * direction, 0.0)
        curvature = np.einsum("dp,dp->d", direction, image)
        step = np.where(power > enough, power / np.where(curvature > 0, curvature, 1.0), 0.0)[:, None]
        kept_weights = kept_weights + step * direction
        residual = residual - step * image
        towards = residual * scale
        last, power = power, np.einsum("dp,dp->d", residual, towards)
        direction = towards + (power / np.where(last > 0, last, 1.0))[:, None] * direction
    return kept_weights
