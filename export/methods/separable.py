"""What the spatial methods share: a ``kh×1`` convolution whose outputs, read in a row of kw, are features.

[J14] Jaderberg, Vedaldi, Zisserman, Speeding up convolutional neural networks with low rank expansions, arXiv
1405.3866, its second scheme. W is arranged as (c·kh) × (kw·d); its best s-term expansion gives s vertical
filters. Here the expansion is weighted by the covariance of the patch's columns, so that directions the data
uses count more: with ``S = L Lᵀ`` the filters are ``L⁻ᵀ U`` from the singular vectors of ``LᵀA``. What
follows the features is found by regression.
"""

from dataclasses import dataclass

import numpy as np

from export.fit.data import LayerData
from export.fit.moments import Matrix, Moments, Vector
from export.fit.regression import with_ridge
from export.fit.solvers import RIDGE, LowRank, reduced_rank_regression
from export.layer import Convolution, ConvolutionShape, Layer
from export.methods.base import to_float32


@dataclass(frozen=True)
class Expansion:
    """Vertical filters of a layer, and the moments of the features that they give.

    Feature ``i·kw + j`` of an output position is what filter i answers to column j of its patch, so the
    features of the first s filters are the first s·kw.

    Attributes:
        layer: The layer.
        filters: (S, c·kh), in falling order of importance.
        prior: (d, S·kw), the map from the features to y that repeats W.
        fit: Moments of (features, y) to fit on.
        held_out: Moments of (features, y) of other images, to choose on.
    """

    layer: Layer
    filters: Matrix
    prior: Matrix
    fit: Moments
    held_out: Moments

    def solve(self, count: int, moments: Moments) -> LowRank:
        """Fit the maps of all ranks from the features of the first ``count`` filters to y."""
        size = count * self.layer.kernel[1]
        return reduced_rank_regression(moments.first(size), RIDGE, self.prior[:, :size])

    def features(self, patches: Matrix, count: int) -> Matrix:
        """The features (n, s·kw) that the first s = ``count`` filters give on patches (n, c·kh·kw)."""
        return filter_columns(patches, self.filters[:count], self.layer.kernel[1])

    def errors_by_rank(self, count: int) -> Vector:
        """Held-out mean of ``‖y - ỹ‖²`` for each rank 1, 2, ... of the maps from the first filters: (r,)."""
        held_out = self.held_out.first(count * self.layer.kernel[1])
        return self.solve(count, self.fit).errors_by_rank(held_out)

    def vertical(self, count: int) -> Convolution:
        """The ``kh×1`` convolution of the first ``count`` filters."""
        layer = self.layer
        return Convolution(
            to_float32(self.filters[:count].reshape(count, layer.in_channels, layer.kernel[0], 1)),
            None,
            (layer.stride[0], 1),
            (layer.pads[0], 0, layer.pads[2], 0),
            (layer.dilation[0], 1),
        )

    def horizontal(self, weights: Matrix, bias: Vector | None) -> Convolution:
        """The ``1×kw`` convolution of weights (out, s·kw), and a bias (out,) or none."""
        layer = self.layer
        return Convolution(
            to_float32(weights.reshape(len(weights), -1, 1, layer.kernel[1])),
            None if bias is None else to_float32(bias),
            (1, layer.stride[1]),
            (0, layer.pads[1], 0, layer.pads[3]),
            (1, layer.dilation[1]),
        )


def filters_of(layer: Layer) -> int:
    """How many vertical filters a layer's full expansion has."""
    return min(layer.in_channels * layer.kernel[0], layer.kernel[1] * layer.out_channels)


def expand(data: LayerData, count: int) -> Expansion:
    """Find a layer's ``count`` most important vertical filters, and the moments of their features."""
    layer = data.layer
    height, width = layer.in_channels * layer.kernel[0], layer.kernel[1]
    # (d, c·kh·kw) as (c·kh) × (kw·d)
    arranged = data.weights.reshape(-1, height, width).transpose(1, 2, 0).reshape(height, -1)
    root = _column_root(data.fit, height, width)
    vectors, values, rows = np.linalg.svd(root.T @ arranged, full_matrices=False)
    filters = np.linalg.solve(root.T, vectors[:, :count]).T
    # Their scale is free, for what follows is fitted to them.
    scales = np.linalg.norm(filters, axis=1, keepdims=True)
    filters /= scales
    answers = scales * values[:count, None] * rows[:count]
    prior: Matrix = answers.reshape(-1, width, layer.out_channels).transpose(2, 0, 1)
    return Expansion(
        layer,
        filters,
        prior.reshape(layer.out_channels, -1),
        _through(data.fit, filters, width),
        _through(data.held_out, filters, width),
    )


def filter_columns(patches: Matrix, filters: Matrix, width: int) -> Matrix:
    """Vertical filters (s, c·kh) applied to each column of patches (n, c·kh·kw): (n, s·kw)."""
    columns = patches.reshape(len(patches), -1, width).transpose(2, 0, 1)
    return (columns @ filters.T).transpose(1, 2, 0).reshape(len(patches), -1)


def vertical_factor(layer: Layer, filters: int) -> ConvolutionShape:
    """The shape of the first convolution, ``kh×1`` with so many filters: it keeps the input's width."""
    size = (layer.output_size[0], layer.input_size[1])
    return layer.factor(filters, layer.in_channels, vertical=True, output_size=size)


def _column_root(moments: Moments, height: int, width: int) -> Matrix:
    """Cholesky factor of the covariance of the patch's columns."""
    columns = moments.xx.reshape(height, width, height, width)
    covariance = np.einsum("ajbj->ab", columns) / (moments.count * width)
    return np.asarray(np.linalg.cholesky(with_ridge(covariance, RIDGE)), np.float64)


def _through(moments: Moments, filters: Matrix, width: int) -> Moments:
    """Moments of (features, y): the filters applied to each column of the patch."""
    return Moments(
        moments.count,
        filter_columns(moments.mean_x[None], filters, width)[0],
        moments.mean_y,
        filter_columns(filter_columns(moments.xx, filters, width).T, filters, width),
        filter_columns(moments.yx, filters, width),
        moments.yy,
    )
