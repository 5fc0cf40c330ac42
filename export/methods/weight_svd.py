"""Truncated SVD of the weights [D14, G15]: the channel form, from the weights alone.

[D14] Denton et al., Exploiting linear structure within convolutional networks; [G15] Girshick, Fast R-CNN,
which does it to fully connected layers. W as d × (c·kh·kw) is projected on its top r left singular vectors:
``U Uᵀ W``. No image is used for the fit, so it is what is left where there are none, and what data-driven
methods are compared with. Images only measure the error.
"""

import numpy as np

from export.fit.data import LayerData
from export.fit.moments import Matrix, Moments, Vector
from export.fit.solvers import LowRank, eigenvectors
from export.layer import Convolution, Layer
from export.methods.base import Candidate, FactorSizes, Replacement, rank_grid, to_float32


class WeightSvd:
    """The channel form found without images."""

    name = "weight-svd"
    needs_patches = False

    def candidates(self, data: LayerData) -> list[Candidate]:
        """Every rank at which the pair is cheaper, with the response energy it loses."""
        images = data.fit.merge(data.held_out)  # all are unseen by this fit
        lost = lost_energies(images, singular_vectors(data.weights), data.bias)
        return [
            self.candidate(data.layer, (rank,), relative(images, float(lost[rank - 1])))
            for rank in cheaper_ranks(data.layer)
        ]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """Cost ``r (c·kh·kw + d)`` at each position."""
        return pair_candidate(self.name, layer, ranks, relative_error)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Project W on its top singular vectors; the bias stays."""
        answer = truncated(data.weights, data.bias).cut(candidate.ranks[0])
        responses = data.responses(data.fit.merge(data.held_out))
        error = relative(responses, responses.error(answer.weights, answer.bias))
        factors = factor_pair(data.layer, answer, data.weights, data.bias)
        return Replacement(candidate, "weights", factors, error)


def pair_candidate(method: str, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
    """The candidate of a pair of factors: ``r (c·kh·kw + d)`` at each position."""
    first = ranks[0] * layer.patch_length
    sizes = FactorSizes(layer.positions * first, first, ranks[0] * layer.out_channels)
    return sizes.candidate(method, layer, ranks, relative_error)


def cheaper_ranks(layer: Layer) -> list[int]:
    """Ranks of which a pair of factors is cheaper than the layer."""
    product = layer.out_channels * layer.patch_length
    cheaper = (product - 1) // (layer.patch_length + layer.out_channels)
    return rank_grid(min(layer.out_channels, layer.patch_length, cheaper), layer.out_channels)


def singular_vectors(weights: Matrix) -> Matrix:
    """Left singular vectors as columns, the most important first: (d, d)."""
    return eigenvectors(weights @ weights.T)


def truncated(weights: Matrix, bias: Vector) -> LowRank:
    """The maps from a layer's response to what truncated weights answer: ``U Uᵀ (y - b) + b``."""
    vectors = singular_vectors(weights)
    return LowRank(vectors, vectors.T, vectors.T @ bias, bias)


def relative(moments: Moments, error: float) -> float:
    """A squared error over the variance of y; 0 for a constant response."""
    return error / moments.variance if moments.variance > 0 else 0.0


def lost_energies(moments: Moments, vectors: Matrix, centre: Vector) -> Vector:
    """Mean of ``‖(I - U Uᵀ)(y - centre)‖²`` for the first 1, 2, ... columns U of ``vectors``."""
    offset = moments.mean_y - centre
    scatter = moments.yy / moments.count + np.outer(offset, offset)
    kept = np.cumsum(np.einsum("ir,ij,jr->r", vectors, scatter, vectors, optimize=True))
    lost: Vector = np.maximum(0.0, np.trace(scatter) - kept)
    return lost


def factor_pair(
    layer: Layer, answer: LowRank, weights: Matrix, bias: Vector
) -> tuple[Convolution, Convolution]:
    """A map from the features ``weights x + bias`` of a layer's input as two convolutions on the input."""
    rank = len(answer.inner)
    inner = (answer.inner @ weights).reshape(rank, layer.in_channels, *layer.kernel)
    outer = answer.outer.reshape(layer.out_channels, rank, 1, 1)
    shifted = answer.bias + answer.outer @ (answer.inner @ bias)
    return (
        Convolution(to_float32(inner), None, layer.stride, layer.pads, layer.dilation),
        Convolution(to_float32(outer), to_float32(shifted)),
    )
