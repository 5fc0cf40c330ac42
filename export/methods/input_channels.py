"""Whole input channels removed [H17]: sparse connections of a structure that runs faster.

[H17] He, Zhang, Sun, Channel pruning for accelerating very deep neural networks, arXiv 1707.06168. Where this
layer alone reads the filters of an earlier convolution, each input channel that it does without saves its own
multiply-adds and a filter of the earlier layer. The replacement keeps its shape, with zeros for the channels
not read, until all layers are fitted; then both layers are narrowed together (``narrow``). Elsewhere nothing
is offered: to gather some channels of a tensor that is computed anyway would cost what it saves.

Channels go one by one, by backward elimination instead of the paper's lasso, so that the sets are nested:
with ``z_j = W_j x_j`` what channel j adds to the response, and ``y ≈ Σ β_j z_j``, the channel goes whose loss
raises the least-squares error least. Then W is fitted anew on the channels that stay.
"""

import numpy as np
from numpy.typing import NDArray

from export.fit.data import LayerData
from export.fit.moments import Matrix, Moments, Vector
from export.fit.regression import intercept, ridge_regression, with_ridge
from export.layer import Convolution, Layer
from export.methods.base import Candidate, Replacement, rank_grid, thin, to_float32

Channels = NDArray[np.intp]

RIDGES = (1e-4, 1e-2, 1.0)
SEARCH_RIDGE = 1e-2  # to compare numbers of channels one will do; the chosen number is fitted with all three
CHANNEL_STEPS = 10
STABLE = 1e-9  # relative: dead and doubled channels would make the inverse break down


class InputChannels:
    """The method that removes whole input channels; the rank is (number of channels kept,)."""

    name = "input-channels"
    rank_count = 1
    needs_patches = True

    def candidates(self, data: LayerData) -> list[Candidate]:
        """A few numbers of channels, each with its held-out error after the refit."""
        layer = data.layer
        if not layer.source:
            return []
        order = elimination_order(data.fit, data.weights, layer.in_channels)
        counts = rank_grid(layer.in_channels - 1, layer.in_channels)
        return [
            self.candidate(layer, (count,), _fit(data, data.fit, order[:count], SEARCH_RIDGE)[0])
            for count in thin(counts, CHANNEL_STEPS)
        ]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """The layer with fewer input channels; what its source saves is counted where ranks are chosen."""
        (count,) = ranks
        narrowed = layer.factor(layer.out_channels, count, vertical=True, horizontal=True, bias=True)
        return Candidate(self.name, ranks, (narrowed,), relative_error, inputs_read=count)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Drop channels by elimination, choose a ridge on held-out images, then refit W on all."""
        layer = data.layer
        order = elimination_order(data.fit, data.weights, layer.in_channels)
        kept = order[: candidate.ranks[0]]
        error, ridge = min((_fit(data, data.fit, kept, ridge)[0], ridge) for ridge in RIDGES)
        _, weights, bias = _fit(data, data.fit.merge(data.held_out), kept, ridge)
        convolution = Convolution(
            to_float32(weights.reshape(layer.out_channels, layer.in_channels, *layer.kernel)),
            to_float32(bias),
            layer.stride,
            layer.pads,
            layer.dilation,
        )
        return Replacement(candidate, "elimination", (convolution,), error)


def elimination_order(moments: Moments, weights: Matrix, channels: int) -> Channels:
    """Order a layer's input channels from the one to keep longest to the one to drop first.

    Args:
        moments: Of (x, y), x the patches (c·kh·kw,).
        weights: (d, c·kh·kw), ``W``.
        channels: c.

    Returns:
        (c,) indices of channels.
    """
    gram, target = contributions(moments, weights, channels)
    inverse = np.linalg.inv(with_ridge(gram, STABLE))
    scales = inverse @ target
    alive = np.ones(channels, bool)
    dropped: list[int] = []
    while len(dropped) < channels:
        # What the least error rises by when a channel goes is its coefficient squared over its place in the
        # diagonal of the inverse, where channels that went have 0.
        diagonal = np.maximum(np.diag(inverse), STABLE * inverse.max())
        worst = int(np.argmin(np.where(alive, scales**2 / diagonal, np.inf)))
        # The coefficients and the inverse of those left, without solving anew for them.
        column = inverse[:, worst] / diagonal[worst]
        scales = scales - scales[worst] * column
        inverse = inverse - np.outer(column, inverse[worst])
        alive[worst] = False
        dropped.append(worst)
    return np.array(dropped[::-1])


def contributions(moments: Moments, weights: Matrix, channels: int) -> tuple[Matrix, Vector]:
    """Inner products of what the channels add to the response, ``z_j = W_j x_j``.

    Args:
        moments: Of (x, y), x the patches (c·kh·kw,).
        weights: (d, c·kh·kw), ``W``.
        channels: c.

    Returns:
        (c, c) with each other, and (c,) with the response.
    """
    products = ((weights.T @ weights) * moments.xx).reshape(
        channels, -1, channels, weights.shape[1] // channels
    )
    gram: Matrix = products.sum(axis=(1, 3))
    target: Vector = (weights * moments.yx).sum(axis=0).reshape(channels, -1).sum(axis=1)
    return gram, target


def _fit(data: LayerData, moments: Moments, kept: Channels, ridge: float) -> tuple[float, Matrix, Vector]:
    """Held-out error, weights and bias of the regression of y on the channels kept, pulled towards W."""
    size = data.layer.kernel[0] * data.layer.kernel[1]
    rows = (np.sort(kept)[:, None] * size + np.arange(size)).ravel()
    weights = np.zeros_like(data.weights)
    weights[:, rows] = ridge_regression(moments.only(rows), ridge, data.weights[:, rows])
    bias = intercept(moments, weights)
    return data.relative_error(weights, bias), weights, bias
